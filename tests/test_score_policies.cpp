// Statistics beyond the paper's, and what turns statistics into scores: against plain definitions.
#include "random_detector.hpp"

#include <gradcon/io/model_file.hpp>

#include <doctest/doctest.h>

#include <Eigen/Dense>

#include <algorithm>

using namespace gradcon;

namespace {

using Model = Autoencoder<Chain, Chain>;
using Params = Model::Params<double>;

/// The gradient of one image's mean squared error, and its code, by the training passes.
struct Passes {
    Params gradient;
    std::vector<double> code;

    Passes(const Model& model, const Params& params, Batch<double> x) : gradient(zeros_like(params)) {
        Model::Packed<double> packed;
        model.pack(params, packed);
        Chain::Cache<double> encoder, decoder;
        Latent::Cache<double> latent;
        Tensor<double, 4> dy;
        const auto z = model.latent.forward(model.encoder.forward(packed.encoder, x, encoder), {}, latent);
        code.assign(z.data(), z.data() + z.size());
        const auto y = model.decoder.forward(packed.decoder, z, decoder);
        const auto dz = model.decoder.backward(packed.decoder, decoder, MeanSquaredError::gradient(y, x, x.size(), dy),
                                               gradient.decoder);
        model.encoder.backward(packed.encoder, encoder, model.latent.backward(latent, dz, 0), gradient.encoder);
    }
};

Model small_vae() {
    return {
        Chain{{Conv2d{2, 4, {.kernel_size = 4, .stride = 2, .padding = 2}}, ReLU{}, Flatten{}, Linear{4 * 5 * 7, 6}}},
        Chain{{Linear{3, 4 * 5 * 7}, Unflatten{5, 7, 4},
               ConvTranspose2d{4, 2, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = {1, 0}}},
               Sigmoid{}}},
        Latent::gaussian(3)};
}

/// Every statistic that a profile gives, against its definition, for a policy on any tree.
template <class Policy>
void check_profile(const Model& model, const Params& params, const Policy& policy, const Tensor<double, 4>& images) {
    SerialExecutor serial;
    ThreadPool three(3);
    const auto profile = fit_profile(model, params, policy, images, three);
    CHECK(fit_profile(model, params, policy, images, serial).mean == profile.mean);
    CHECK(fit_profile(model, params, policy, images, serial).code_whitening == profile.code_whitening);
    const Scores scores = score_each(Scorer{model, params, policy, profile}, images, serial);
    const Scores plain = score_each(Scorer{model, params, policy}, images, serial);
    CHECK(scores.score == plain.score);
    CHECK(plain.mean_cosine.empty());
    CHECK(is_nan(plain[0].code_distance));

    const std::size_t n = images.shape()[0];
    std::vector<Passes> passes;
    for (std::size_t i = 0; i < n; ++i) passes.emplace_back(model, params, Batch<double>(images).slice(i, 1));
    const auto each = [&](std::size_t i, auto&& f) {
        policy.for_each_monitored(watched<Policy>(passes[i].gradient), f);
    };
    each(0, [&](std::size_t k, const auto& first) {
        std::vector<double> mean(first.size()), square(first.size());
        for (std::size_t i = 0; i < n; ++i)
            each(i, [&](std::size_t other, const auto& g) {
                for (std::size_t e = 0; other == k && e < mean.size(); ++e) {
                    mean[e] += g.data()[e] / static_cast<double>(n);
                    square[e] += g.data()[e] * g.data()[e] / static_cast<double>(n);
                }
            });
        double average = 0;
        for (const double s : square) average += s / static_cast<double>(square.size());
        CHECK(relative_error(std::span<const double>(profile.mean[k]), std::span<const double>(mean)) < 1e-12);
        for (std::size_t i = 0; i < n; ++i)
            each(i, [&](std::size_t other, const auto& g) {
                if (other != k) return;
                double dot = 0, norm = 0, mean_norm = 0, fisher = 0;
                for (std::size_t e = 0; e < mean.size(); ++e) {
                    dot += mean[e] * g.data()[e];
                    norm += g.data()[e] * g.data()[e];
                    mean_norm += mean[e] * mean[e];
                    fisher += g.data()[e] * g.data()[e] / (square[e] + 0.1 * average);
                }
                CHECK(std::abs(scores[i].mean_cosine[k] - dot / std::sqrt(norm * mean_norm)) < 1e-10);
                CHECK(scores[i].fisher_norm[k] == doctest::Approx(std::sqrt(fisher)).epsilon(1e-10));
                CHECK(scores[i].gradient_norm[k] == doctest::Approx(std::sqrt(norm)).epsilon(1e-10));
            });
    });

    const auto size = static_cast<Eigen::Index>(passes[0].code.size());
    Eigen::MatrixXd codes(static_cast<Eigen::Index>(n), size);
    for (std::size_t i = 0; i < n; ++i)
        codes.row(static_cast<Eigen::Index>(i)) = Eigen::Map<const Eigen::RowVectorXd>(passes[i].code.data(), size);
    const Eigen::RowVectorXd mean = codes.colwise().mean();
    const Eigen::MatrixXd centred = codes.rowwise() - mean;
    Eigen::MatrixXd covariance = centred.transpose() * centred / static_cast<double>(n);
    covariance.diagonal().array() += 0.01 * covariance.trace() / static_cast<double>(size);
    const Eigen::MatrixXd inverse = covariance.inverse();
    for (std::size_t i = 0; i < n; ++i) {
        const auto row = centred.row(static_cast<Eigen::Index>(i));
        CHECK(scores[i].code_distance ==
              doctest::Approx(std::sqrt((row * inverse * row.transpose())(0))).epsilon(1e-9));
    }
}

/// Scores of `n` samples with two monitored tensors and random statistics.
Scores random_scores(std::size_t n, Rng& rng) {
    Scores s;
    s.count = 2;
    for (std::size_t i = 0; i < n; ++i) {
        s.score.push_back(uniform(rng, -1, 1));
        s.reconstruction_error.push_back(uniform(rng, 0.01, 1));
        s.latent_divergence.push_back(0);
        s.code_distance.push_back(uniform(rng, 1, 9));
        for (int k = 0; k < 2; ++k) {
            s.cosine.push_back(uniform(rng, -1, 1));
            s.mean_cosine.push_back(uniform(rng, -1, 1));
            s.gradient_norm.push_back(uniform(rng, 0.1, 2));
            s.fisher_norm.push_back(uniform(rng, 0.1, 2));
        }
    }
    return s;
}

double mean_of(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v / static_cast<double>(values.size());
    return sum;
}

constexpr Statistic terms[]{Statistic::code_distance, Statistic::cosine};

} // namespace

TEST_SUITE("score policies") {
    TEST_CASE("a profile's statistics equal their definitions: decoder or all watched, an autoencoder or a VAE") {
        const auto cae = small_detector<double>();
        check_profile(cae.model, cae.params, cae.policy, cae.images);
        Rng rng(5);
        const Model vae = small_vae();
        const Params params = vae.init<double>(rng);
        const auto images = random_images<double>({7, 9, 12, 2}, rng); // fewer than the parts of a profile
        GradCon<Params> all{params, {}};
        auto reference = params;
        randomize(reference, rng);
        all.update(reference);
        check_profile(vae, params, all, images);

        SerialExecutor serial;
        const Scores scores = score_each(Scorer{vae, params, all}, images, serial);
        TrainingWorkspace<Model, double> workspace(params);
        for (std::size_t i = 0; i < 7; ++i) {
            const auto losses =
                evaluate<Model, double>(vae, params, all, Batch<double>(images).slice(i, 1), workspace, serial);
            CHECK(scores.reconstruction_error[i] == doctest::Approx(losses.reconstruction).epsilon(1e-12));
            CHECK(scores.latent_divergence[i] == doctest::Approx(losses.latent * 9 * 12 * 2).epsilon(1e-12));
        }
    }

    TEST_CASE("profiles and outputs that do not fit are refused") {
        auto t = small_detector();
        auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        CHECK(throws_naming<ValueError>(
            [&] {
                fit_profile(t.model, t.params, t.policy, Batch<float>(nullptr, {0, 9, 12, 2}), t.serial);
            },
            {"one image"}));
        const Scorer scorer{t.model, t.params, t.policy};
        std::vector workspaces(1, scorer.workspace());
        std::vector<double> room(42);
        CHECK(throws_naming<ValueError>(
            [&] { score_each(scorer, t.images, t.serial, std::span(workspaces), {.fisher_norm = room}); },
            {"fisher_norm", "GradientProfile"}));
        profile.weight.pop_back();
        CHECK_THROWS_AS(Scorer(t.model, t.params, t.policy, profile), ShapeError);
    }

    TEST_CASE("plain policies read one statistic") {
        Rng rng(2);
        const Scores s = random_scores(5, rng);
        CHECK(scores_by(GradConScore{}, s) == s.score);
        CHECK(scores_by(ReconstructionScore{}, s) == s.reconstruction_error);
        CHECK(scores_by(CodeDistanceScore{}, s) == s.code_distance);
        CHECK(scores_by(GradientScore{}, s)[3] == s.gradient(3));
        CHECK(scores_by(FinishedAlignmentScore{}, s)[1] == doctest::Approx(-(s.mean_cosine[2] + s.mean_cosine[3]) / 2));
        CHECK(scores_by([](const SampleStatistics& one) { return 2 * one.reconstruction_error; }, s)[4] ==
              2 * s.reconstruction_error[4]);
    }

    TEST_CASE("a standardised statistic has mean 0 and variance 1 on the normal samples, and leaves constants out") {
        Rng rng(3);
        Scores s = random_scores(50, rng);
        for (std::size_t i = 0; i < 50; ++i) s.gradient_norm[2 * i] = 0; // a dead layer
        for (const Statistic statistic : {Statistic::reconstruction_error, Statistic::cosine, Statistic::gradient_norm,
                                          Statistic::mean_cosine, Statistic::fisher_norm, Statistic::code_distance}) {
            const auto values = scores_by(StandardizedStatistic(statistic, s), s);
            double variance = 0;
            for (const double v : values) variance += v * v / 49;
            CHECK(std::abs(mean_of(values)) < 1e-12);
            CHECK(variance == doctest::Approx(1).epsilon(1e-12));
        }
        CHECK(mean_of(scores_by(StandardizedStatistic(Statistic::latent_divergence, s), s)) == 0);
        // By hand: log of one value, and minus the cosines of two tensors.
        const auto z = StandardizedStatistic(Statistic::code_distance, s)(s[7]);
        std::vector<double> logs;
        for (const double d : s.code_distance) logs.push_back(std::log(d));
        double square = 0;
        for (const double l : logs) square += std::pow(l - mean_of(logs), 2) / 49;
        CHECK(z == doctest::Approx((logs[7] - mean_of(logs)) / std::sqrt(square)).epsilon(1e-12));
        const auto sum = StandardizedSum::fit(terms, s);
        CHECK(sum(s[7]) == doctest::Approx(z + StandardizedStatistic(Statistic::cosine, s)(s[7])));
        CHECK(recommended_score(s)(s[7]) == sum(s[7]));
        auto worse = s;
        worse.cosine[14] -= 0.5; // less aligned is stranger
        CHECK(sum(worse[7]) > sum(s[7]));
        worse.code_distance.clear();
        CHECK(is_nan(sum(worse[7])));
        CHECK(throws_naming<ValueError>([&] { StandardizedSum::fit(terms, worse); }, {"GradientProfile"}));
        CHECK(throws_naming<ValueError>([&] { StandardizedSum::fit({}, s); }, {"one statistic"}));
        Rng other(1);
        CHECK(throws_naming<ValueError>([&] { StandardizedSum::fit(terms, random_scores(1, other)); }, {"2", "1"}));
    }

    TEST_CASE("conformal p-values count normal samples that are as strange, ties included") {
        Rng rng(4);
        Scores s = random_scores(9, rng);
        s.reconstruction_error = {1, 2, 2, 3, 4, 5, 6, 7, 8};
        const Statistic one[]{Statistic::reconstruction_error};
        const auto policy = ConformalSum::fit(one, s);
        const auto p = [&](double error) {
            Scores t = s;
            t.reconstruction_error[0] = error;
            return std::exp(-policy(t[0]));
        };
        CHECK(p(2) == doctest::Approx(9.0 / 10));
        CHECK(p(2.5) == doctest::Approx(7.0 / 10));
        CHECK(p(9) == doctest::Approx(1.0 / 10));
        CHECK(p(0.5) == doctest::Approx(1));
        const auto two = ConformalSum::fit(terms, s);
        CHECK(two.normal.size() == 2);
        auto unknown = s;
        unknown.code_distance.assign(9, std::numeric_limits<double>::quiet_NaN());
        CHECK(is_nan(two(unknown[0])));
    }

    TEST_CASE("the log-norm density is that of independent normal distributions") {
        Rng rng(6);
        const Scores s = random_scores(40, rng);
        const auto policy = LogNormDensityScore::fit(s);
        double expected = 0;
        for (std::size_t k = 0; k < 2; ++k) {
            std::vector<double> logs;
            for (std::size_t i = 0; i < 40; ++i) logs.push_back(std::log(s.gradient_norm[2 * i + k]));
            double variance = 0;
            for (const double l : logs) variance += std::pow(l - mean_of(logs), 2) / 39;
            expected -= std::log(std::exp(-std::pow(logs[5] - mean_of(logs), 2) / (2 * variance)) /
                                 std::sqrt(2 * std::numbers::pi * variance));
        }
        CHECK(policy(s[5]) == doctest::Approx(expected).epsilon(1e-10));
    }

    TEST_CASE("a model file keeps the profile and any policy: the same scores, bit for bit") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small_detector();
        const auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const Scores normal = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
        const std::vector<AnyScorePolicy> policies{GradConScore{},
                                                   CodeDistanceScore{},
                                                   FinishedAlignmentScore{},
                                                   StandardizedSum::fit(terms, normal),
                                                   ConformalSum::fit(terms, normal),
                                                   LogNormDensityScore::fit(normal)};
        for (const auto& policy : policies) {
            io::save_model(path, t.model, t.params, t.policy, profile, policy);
            const auto loaded = io::load_model<float>(path);
            CHECK(loaded.score_policy.index() == policy.index());
            const Scorer scorer{loaded.model, loaded.params, loaded.policy, loaded.profile};
            CHECK(scores_by(loaded.score_policy, score_each(scorer, t.images, t.serial)) == scores_by(policy, normal));
            auto other = small_detector();
            io::load_model(path, other.model, other.params, other.policy); // into a model without either
        }
        const auto refused = [&](const char* metadata, std::initializer_list<std::string_view> words) {
            const auto file = io::read_safetensors(path);
            auto changed = file.metadata();
            changed["score_policy"] = metadata;
            std::vector<io::TensorToWrite> tensors;
            for (const auto& entry : file.entries()) {
                const auto bytes = file.bytes(entry);
                tensors.push_back({entry.name, entry.dtype, entry.shape, {bytes.begin(), bytes.end()}});
            }
            io::add_checksum(changed, tensors);
            const auto hostile = folder.path / "hostile.safetensors";
            io::replace_file(hostile, io::serialize_safetensors(tensors, changed));
            return throws_naming<FileError>([&] { io::load_model<float>(hostile); }, words);
        };
        CHECK(refused(R"([])", {"score_policy"}));
        CHECK(refused(R"([{"type":"astrology"}])", {"astrology"}));
        CHECK(refused(R"([{"type":"standardized_sum"}])", {"one term"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"weight","scale":1}])", {"weight"}));
        CHECK(refused(R"([{"type":"conformal_sum"},{"statistic":"cosine","scale":1}])", {"score_policy.0.normal"}));
        CHECK(refused(R"([{"type":"gradcon"}])", {"unexpected tensor", "score_policy.0"}));
    }
}
