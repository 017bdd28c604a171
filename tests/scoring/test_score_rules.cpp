// Statistics beyond the paper's, and what turns statistics into scores: against plain definitions.
#include "edit_file.hpp"
#include "random_detector.hpp"

#include <gradcon/io/detector_file.hpp>

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
    ThreadPool eight(8);
    for (Executor* executor : {static_cast<Executor*>(&serial), static_cast<Executor*>(&eight)}) {
        const auto other = fit_profile(model, params, policy, images, *executor);
        CHECK(other.mean == profile.mean);
        CHECK(other.weight == profile.weight);
        CHECK(other.code_mean == profile.code_mean);
        CHECK(other.code_whitening == profile.code_whitening);
    }
    const Scores scores = score_each(Scorer{model, params, policy, profile}, images, serial);
    const Scores plain = score_each(Scorer{model, params, policy}, images, serial);
    CHECK(scores.score == plain.score);
    CHECK(plain.mean_cosine.empty());
    CHECK(is_nan(plain[0].code_distance));

    // Without codes the rest is the same.
    const auto size = profile.code_mean.size();
    CHECK(size == model.code_size(Batch<double>(images).shape()));
    CHECK(fit_profile(model, params, policy, images, three, {.largest_code = size}).has_codes());
    const auto short_profile = fit_profile(model, params, policy, images, three, {.largest_code = size - 1});
    const Scores without = score_each(Scorer{model, params, policy, short_profile}, images, serial);
    CHECK(short_profile.code_whitening.empty());
    CHECK(without.code_distance.empty());
    CHECK(without.mean_cosine == scores.mean_cosine);
    CHECK(without.fisher_norm == scores.fisher_norm);

    const std::size_t n = images.shape()[0];
    std::vector<Passes> passes;
    for (std::size_t i = 0; i < n; ++i) passes.emplace_back(model, params, Batch<double>(images).slice(i, 1));
    const auto each = [&](std::size_t i, auto&& f) { policy.for_each_monitored(passes[i].gradient.decoder, f); };
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

    const auto columns = static_cast<Eigen::Index>(size);
    Eigen::MatrixXd codes(static_cast<Eigen::Index>(n), columns);
    for (std::size_t i = 0; i < n; ++i)
        codes.row(static_cast<Eigen::Index>(i)) = Eigen::Map<const Eigen::RowVectorXd>(passes[i].code.data(), columns);
    const Eigen::RowVectorXd mean = codes.colwise().mean();
    const Eigen::MatrixXd centred = codes.rowwise() - mean;
    Eigen::MatrixXd covariance = centred.transpose() * centred / static_cast<double>(n);
    covariance.diagonal().array() += 0.01 * covariance.trace() / static_cast<double>(columns);
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

template <class S>
concept GivesSamples = requires(S&& scores) {
    std::forward<S>(scores)[0];
};
static_assert(GivesSamples<const Scores&> && !GivesSamples<Scores> && !GivesSamples<const Scores>);
static_assert(ScoreRule<AnyScoreRule>);

} // namespace

TEST_SUITE("score rules") {
    TEST_CASE("a profile's statistics equal their definitions: an autoencoder and a VAE") {
        const auto cae = small_detector<double>();
        check_profile(cae.model, cae.params, cae.policy, cae.images);
        const auto many =
            random_detector<double>(models::cae({.height = 5, .width = 6, .widths = {2}}), {150, 5, 6, 1});
        check_profile(many.model, many.params, many.policy, many.images); // more than a block of images
        Rng rng(5);
        const Model vae = small_vae();
        const Params params = vae.init<double>(rng);
        const auto images = random_images<double>({7, 9, 12, 2}, rng); // fewer than the parts of a profile
        GradCon policy{params.decoder, {}};
        auto reference = params.decoder;
        randomize(reference, rng);
        policy.update(reference);
        check_profile(vae, params, policy, images);

        SerialExecutor serial;
        const Scores scores = score_each(Scorer{vae, params, policy}, images, serial);
        TrainingWorkspace<Model, double> workspace(params);
        for (std::size_t i = 0; i < 7; ++i) {
            const auto losses = evaluate(vae, params, policy, Batch<double>(images).slice(i, 1), workspace, serial);
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
        const auto whole = profile;
        profile.weight.pop_back();
        CHECK_THROWS_AS(Scorer(t.model, t.params, t.policy, profile), ShapeError);
        profile = whole;
        profile.mean[1].pop_back();
        CHECK_THROWS_AS(Scorer(t.model, t.params, t.policy, profile), ShapeError);
        profile = whole;
        profile.code_whitening.pop_back();
        CHECK_THROWS_AS(Scorer(t.model, t.params, t.policy, profile), ShapeError);

        const auto codeless = fit_profile(t.model, t.params, t.policy, t.images, t.serial, {.largest_code = 1});
        const Scorer without_codes{t.model, t.params, t.policy, codeless};
        workspaces[0] = without_codes.workspace();
        const auto score = [&](const ScoreOutput& out) {
            score_each(without_codes, t.images, t.serial, std::span(workspaces), out);
        };
        CHECK_NOTHROW(score({.fisher_norm = room}));
        CHECK(throws_naming<ValueError>([&] { score({.code_distance = std::span(room).first(21)}); },
                                        {"code_distance", "with codes"}));

        // A rule of a deeper network: of the same type, being a chain's.
        const auto deep = models::cae({.height = 9, .width = 12, .channels = 2, .widths = {4, 5, 6}});
        const GradCon other{deep.init(t.rng).decoder, {}};
        CHECK_THROWS_AS(fit_profile(t.model, t.params, other, t.images, t.serial), ShapeError);
    }

    TEST_CASE("a profile with codes is for images of one size") {
        const Autoencoder model{Chain{{Conv2d{1, 3, {.kernel_size = 2, .stride = 2}}, Tanh{}}},
                                Chain{{ConvTranspose2d{3, 1, {.kernel_size = 2, .stride = 2}}, Sigmoid{}}}};
        auto t = random_detector(model, {6, 8, 8, 1});
        const Scorer scorer{t.model, t.params, t.policy, fit_profile(model, t.params, t.policy, t.images, t.serial)};
        const auto large = random_images<float>({2, 10, 16, 1}, t.rng);
        std::vector workspaces(1, scorer.workspace());
        std::vector<double> error(2, -1), distance(2, -1);
        const auto score = [&](const ScoreOutput& out) {
            score_each(scorer, large, t.serial, std::span(workspaces), out);
        };
        CHECK(throws_naming<ShapeError>([&] { score({.reconstruction_error = error, .code_distance = distance}); },
                                        {"48", "120"}));
        CHECK(error == std::vector<double>(2, -1)); // noticed before anything is written
        score({.reconstruction_error = error});
        CHECK(error[1] > 0);
    }

    TEST_CASE("codes that never change have distance 0, although the mean of squares rounds") {
        const std::vector<double> z{0.1, 0.7, 1.0 / 3};
        std::vector<double> sum(3), products(9);
        for (int i = 0; i < 585; ++i)
            for (std::size_t row = 0; row < 2; ++row)
                kernels::add_outer_squares(std::span(z), row, 2, std::span(sum), std::span(products));
        for (double& value : sum) value /= 585;
        for (double& value : products) value /= 585;
        CHECK(products[0] + products[4] + products[8] !=
              sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]); // or nothing is tested
        const auto whitening = kernels::whitening(sum, products);
        CHECK(whitening == std::vector<double>(9));
        for (std::size_t i = 0; i < 3; ++i) // alone, no other element's rounding makes the matrix indefinite
            CHECK(kernels::whitening(std::span(sum).subspan(i, 1), std::span(products).subspan(4 * i, 1))[0] == 0);
        AlignedVector<double> room;
        const std::vector<double> far{5, 5, 5};
        CHECK(kernels::mahalanobis(std::span(whitening), std::span<const double>(sum), std::span(far), room) == 0);
        products[4] = std::numeric_limits<double>::quiet_NaN();
        CHECK(kernels::whitening(sum, products) == std::vector<double>(9));

        auto t = small_detector();
        for_each_named_tensor(
            [](const std::string& name, auto& tensor) {
                const bool bias = name.ends_with("bias");
                for (float& value : elements(tensor)) value = bias ? 0.37F : 0.0F;
            },
            t.params.encoder);
        const auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const Scores scores = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
        CHECK(scores.code_distance == std::vector<double>(21));
    }

    TEST_CASE("a weight that would be too large for its type is 0") {
        const Autoencoder model{Chain{{Flatten{}, Linear{4, 2}}}, Chain{{Linear{2, 4}, Unflatten{2, 2, 1}, Tanh{}}}};
        auto t = random_detector(model, {5, 2, 2, 1});
        fill(t.params, 0);
        fill(t.images, 1e-22); // squares of the bias's gradient are near 1e-45
        const GradCon policy{t.params.decoder, {}, every_tensor};
        const auto profile = fit_profile(model, t.params, policy, t.images, t.serial);
        CHECK(profile.mean[1][0] != 0);
        CHECK(profile.weight[1][0] == 0);
        CHECK(score_each(Scorer{model, t.params, policy, profile}, t.images, t.serial).fisher_norm ==
              std::vector<double>(10));
    }

    TEST_CASE("one image's statistics are those of the batch, of scalars and of bytes, for any rule") {
        auto t = small_detector();
        std::vector<std::uint8_t> bytes(t.images.size());
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::uint8_t>(random_index(t.rng, 256));
            t.images.data()[i] = static_cast<float>(bytes[i]) / 255;
        }
        const Batch<std::uint8_t> pixels(bytes.data(), {21, 9, 12, 2});
        const auto codes = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const auto codeless = fit_profile(t.model, t.params, t.policy, t.images, t.serial, {.largest_code = 1});
        const auto check = [&](const auto& scorer) {
            const Scores all = score_each(scorer, t.images, t.serial);
            auto workspace = scorer.workspace();
            const auto same = [&](const SampleStatistics& s, std::size_t i) {
                const SampleStatistics expected = all[i];
                CHECK(s.score == expected.score);
                CHECK(s.reconstruction_error == expected.reconstruction_error);
                CHECK(s.latent_divergence == expected.latent_divergence);
                CHECK(std::ranges::equal(s.cosine, expected.cosine));
                CHECK(std::ranges::equal(s.gradient_norm, expected.gradient_norm));
                CHECK(std::ranges::equal(s.mean_cosine, expected.mean_cosine));
                CHECK(std::ranges::equal(s.fisher_norm, expected.fisher_norm));
                CHECK((s.code_distance == expected.code_distance || !scorer.has_codes()));
                CHECK(is_nan(s.code_distance) != scorer.has_codes());
            };
            for (const std::size_t i : {0U, 20U}) {
                same(scorer.statistics(Batch<float>(t.images), i, workspace), i);
                same(scorer.statistics(pixels, i, workspace), i);
            }
            CHECK(throws_naming<ValueError>([&] { scorer.statistics(pixels, 21, workspace); }, {"21"}));
        };
        const Scorer scorer{t.model, t.params, t.policy, codes};
        check(scorer);
        check(Scorer{t.model, t.params, t.policy, codeless});
        check(Scorer{t.model, t.params, t.policy});

        const Scores all = score_each(scorer, t.images, t.serial);
        auto workspace = scorer.workspace();
        const AnyScoreRule rules[]{GradConScore{}, FinishedAlignmentScore{}, recommended_score(all),
                                   ConformalSum::fit(terms, all)};
        for (const auto& rule : rules) CHECK(rule(scorer.statistics(pixels, 7, workspace)) == scores_by(rule, all)[7]);
    }

    TEST_CASE("plain rules read one statistic") {
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
        worse.cosine.clear();
        CHECK(throws_naming<ValueError>([&] { StandardizedStatistic(Statistic::cosine, worse); }, {"lack"}));
        CHECK(throws_naming<ValueError>([&] { StandardizedSum::fit({}, s); }, {"one statistic"}));
        Rng other(1);
        CHECK(throws_naming<ValueError>([&] { StandardizedSum::fit(terms, random_scores(1, other)); }, {"2", "1"}));
    }

    TEST_CASE("conformal p-values count normal samples that are as strange, ties included") {
        Rng rng(4);
        Scores s = random_scores(9, rng);
        s.reconstruction_error = {1, 2, 2, 3, 4, 5, 6, 7, 8};
        const Statistic one[]{Statistic::reconstruction_error};
        const auto rule = ConformalSum::fit(one, s);
        const auto p = [&](double error) {
            Scores t = s;
            t.reconstruction_error[0] = error;
            return std::exp(-rule(t[0]));
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
        const auto rule = LogNormDensityScore::fit(s);
        double expected = 0;
        for (std::size_t k = 0; k < 2; ++k) {
            std::vector<double> logs;
            for (std::size_t i = 0; i < 40; ++i) logs.push_back(std::log(s.gradient_norm[2 * i + k]));
            double variance = 0;
            for (const double l : logs) variance += std::pow(l - mean_of(logs), 2) / 39;
            expected -= std::log(std::exp(-std::pow(logs[5] - mean_of(logs), 2) / (2 * variance)) /
                                 std::sqrt(2 * std::numbers::pi * variance));
        }
        CHECK(rule(s[5]) == doctest::Approx(expected).epsilon(1e-10));
        CHECK(is_nan(LogNormDensityScore{{0, 0, 0}, {1, 1, 1}}(s[5])));
        CHECK(is_nan(LogNormDensityScore{{0}, {1}}(s[5])));
        CHECK(is_nan(LogNormDensityScore{{0, 0}, {1}}(s[5])));
    }

    TEST_CASE("a model file keeps the profile and any rule: the same scores, bit for bit") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small_detector();
        const auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const Scores normal = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
        const std::vector<AnyScoreRule> rules{GradConScore{},
                                              CodeDistanceScore{},
                                              FinishedAlignmentScore{},
                                              StandardizedSum::fit(terms, normal),
                                              ConformalSum::fit(terms, normal),
                                              LogNormDensityScore::fit(normal)};
        for (const auto& rule : rules) {
            io::save_model(path, t.model, t.params, t.policy, profile, rule);
            const auto loaded = io::load_model<float>(path);
            CHECK(loaded.score_rule.index() == rule.index());
            const Scorer scorer{loaded.model, loaded.params, loaded.policy, loaded.profile};
            CHECK(scores_by(loaded.score_rule, score_each(scorer, t.images, t.serial)) == scores_by(rule, normal));
            auto other = small_detector();
            io::load_model(path, other.model, other.params, other.policy); // into a model without either
            GradientProfile<float> its_profile;
            AnyScoreRule its_rule;
            io::load_model(path, other.model, other.params, other.policy, its_profile, its_rule);
            const Scorer same{other.model, other.params, other.policy, its_profile};
            CHECK(scores_by(its_rule, score_each(same, t.images, t.serial)) == scores_by(rule, normal));
        }
        const auto codeless = fit_profile(t.model, t.params, t.policy, t.images, t.serial, {.largest_code = 1});
        io::save_model(path, t.model, t.params, t.policy, codeless, FinishedAlignmentScore{});
        const auto loaded = io::load_model<float>(path);
        CHECK(loaded.profile.mean == codeless.mean);
        CHECK(loaded.profile.weight == codeless.weight);
        CHECK(!loaded.profile.has_codes());
        auto profile_before = profile;
        AnyScoreRule rule_before = GradientScore{};
        io::save_model(path, t.model, t.params, t.policy); // of neither
        io::load_model(path, t.model, t.params, t.policy, profile_before, rule_before);
        CHECK(profile_before.mean.empty());
        CHECK(!profile_before.has_codes());
        CHECK(rule_before.index() == 0);
    }

    TEST_CASE("a profile or a score rule that does not fit is neither saved nor loaded") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small_detector();
        const auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const auto codeless = fit_profile(t.model, t.params, t.policy, t.images, t.serial, {.largest_code = 1});
        const Scores normal = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
        io::save_model(path, t.model, t.params, t.policy, profile, LogNormDensityScore::fit(normal));
        const auto before = io::read_file(path);
        const auto not_saved = [&](const GradientProfile<float>& other, const AnyScoreRule& rule,
                                   std::initializer_list<std::string_view> words) {
            return throws_naming<ValueError>([&] { io::save_model(path, t.model, t.params, t.policy, other, rule); },
                                             words);
        };
        for (const auto member : {&GradientProfile<float>::mean, &GradientProfile<float>::weight}) {
            auto wrong = profile;
            (wrong.*member)[0].pop_back();
            CHECK_THROWS_AS(io::save_model(path, t.model, t.params, t.policy, wrong), ShapeError);
            (wrong.*member).pop_back();
            CHECK_THROWS_AS(io::save_model(path, t.model, t.params, t.policy, wrong), ShapeError);
        }
        auto wrong = profile;
        wrong.code_whitening.pop_back();
        CHECK_THROWS_AS(io::save_model(path, t.model, t.params, t.policy, wrong), ShapeError);
        wrong = profile;
        wrong.code_mean[3] = std::numeric_limits<double>::infinity();
        CHECK(not_saved(wrong, {}, {"profile.code_mean", "inf"}));
        wrong = profile;
        wrong.code_whitening[0] = std::numeric_limits<float>::quiet_NaN();
        CHECK(not_saved(wrong, {}, {"profile.code_whitening", "nan"}));
        for (const auto& widths : {std::vector<std::size_t>{4}, {3, 5}, {4, 5, 6}}) { // policies of other networks
            const auto other = models::cae({.height = 9, .width = 12, .channels = 2, .widths = widths});
            const GradCon policy{other.init(t.rng).decoder, {}};
            CHECK_THROWS_AS(io::save_model(path, t.model, t.params, policy), ShapeError);
        }
        const auto sum = StandardizedSum::fit(terms, normal);
        const auto with = [&](Statistic statistic, std::size_t values, double scale = 1) {
            return StandardizedSum{
                {StandardizedStatistic(statistic, std::vector<double>(values), std::vector<double>(values, 1), scale)}};
        };
        CHECK(not_saved({}, CodeDistanceScore{}, {"profile with codes"}));
        CHECK(not_saved(codeless, CodeDistanceScore{}, {"profile with codes"}));
        CHECK(not_saved({}, FinishedAlignmentScore{}, {"a profile"}));
        CHECK(not_saved(codeless, sum, {"profile with codes"}));
        CHECK(not_saved({}, with(Statistic::fisher_norm, 2), {"a profile"}));
        CHECK(not_saved(profile, with(Statistic::cosine, 1), {"2 means", "1 and 1"}));
        CHECK(not_saved(profile, with(Statistic::code_distance, 2), {"1 means", "2 and 2"}));
        CHECK(not_saved(profile, with(Statistic::cosine, 2, std::numeric_limits<double>::infinity()), {"inf"}));
        CHECK(not_saved(profile, StandardizedSum{}, {"one term"}));
        CHECK(not_saved(profile, StandardizedSum{{8, sum.terms[0]}}, {"at most 7"}));
        CHECK(not_saved(profile, ConformalSum{sum, {}}, {"normal values"}));
        CHECK(not_saved(profile, ConformalSum{sum, {{1}, {}}}, {"normal values"}));
        CHECK(not_saved(profile, ConformalSum{sum, {{1}, {2, 1}}}, {"ascend"}));
        CHECK(not_saved(profile, LogNormDensityScore{{1}, {1}}, {"2 means"}));
        CHECK(io::read_file(path) == before);

        const auto refused = [&](const std::string& metadata, std::initializer_list<std::string_view> words,
                                 const char* without = "none") {
            const auto hostile = folder.path / "hostile.safetensors";
            std::filesystem::copy_file(path, hostile, std::filesystem::copy_options::overwrite_existing);
            edit_file(hostile, [&](auto& all, auto& tensors) {
                all["score_policy"] = metadata;
                std::erase_if(tensors, [&](const auto& tensor) { return tensor.name.starts_with(without); });
            });
            return throws_naming<FileError>([&] { io::load_model<float>(hostile); }, words);
        };
        CHECK(refused(R"([])", {"score_policy"}));
        CHECK(refused(R"([{"type":"astrology"}])", {"astrology"}));
        CHECK(refused(R"([{"type":"standardized_sum"}])", {"one term"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"weight","scale":1}])", {"weight"}));
        CHECK(refused(R"([{"type":"conformal_sum"},{"statistic":"cosine","scale":1}])", {"score_policy.0.normal"}));
        CHECK(refused(R"([{"type":"gradcon"}])", {"unexpected tensor", "score_policy.0"}));
        CHECK(refused(R"([{"type":"gradcon","beta":2}])", {"unknown keys", "beta"}));
        CHECK(refused(R"([{"type":"gradcon"},{}])", {"terms"}));
        CHECK(refused(R"([{"type":"log_norm_density"},{}])", {"terms"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"cosine","scale":1,"mean":2}])", {"unknown keys"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"cosine","scale":1e999}])", {"score_policy"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"code_distance","scale":1}])", {"1 means"}));
        std::string many = R"([{"type":"standardized_sum"})";
        for (int i = 0; i < 8; ++i) many += R"(,{"statistic":"cosine","scale":1})";
        CHECK(refused(many + "]", {"score_policy"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"fisher_norm","scale":1}])", {"a profile"},
                      "profile"));
        CHECK(refused(R"([{"type":"log_norm_density"}])", {"code_whitening is missing"}, "profile.code_wh"));
        CHECK(refused(R"([{"type":"log_norm_density"}])", {"unexpected tensor profile"}, "profile.mean.0"));
        CHECK(refused(R"([{"type":"code_distance"}])", {"profile with codes"}, "profile.code"));
    }
}
