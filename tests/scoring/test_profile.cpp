// A profile and the statistics that it gives: against plain definitions.
#include "random_detector.hpp"

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
    CHECK(scores.score() == plain.score());
    CHECK(plain[Statistic::mean_cosine].empty());
    CHECK(is_nan(plain[0].code_distance()));

    // Without codes the rest is the same.
    const auto size = profile.code_mean.size();
    CHECK(size == model.code_size(Batch<double>(images).shape()));
    CHECK(fit_profile(model, params, policy, images, three, {.largest_code = size}).has_codes());
    const auto short_profile = fit_profile(model, params, policy, images, three, {.largest_code = size - 1});
    const Scores without = score_each(Scorer{model, params, policy, short_profile}, images, serial);
    CHECK(short_profile.code_whitening.empty());
    CHECK(without[Statistic::code_distance].empty());
    CHECK(without[Statistic::mean_cosine] == scores[Statistic::mean_cosine]);
    CHECK(without[Statistic::fisher_norm] == scores[Statistic::fisher_norm]);

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
                CHECK(std::abs(scores[i].mean_cosine()[k] - dot / std::sqrt(norm * mean_norm)) < 1e-10);
                CHECK(scores[i].fisher_norm()[k] == doctest::Approx(std::sqrt(fisher)).epsilon(1e-10));
                CHECK(scores[i].gradient_norm()[k] == doctest::Approx(std::sqrt(norm)).epsilon(1e-10));
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
        CHECK(scores[i].code_distance() ==
              doctest::Approx(std::sqrt((row * inverse * row.transpose())(0))).epsilon(1e-9));
    }
}

} // namespace

TEST_SUITE("profile") {
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
            CHECK(scores.reconstruction_error()[i] == doctest::Approx(losses.reconstruction).epsilon(1e-12));
            CHECK(scores[i].latent_divergence() == doctest::Approx(losses.latent * 9 * 12 * 2).epsilon(1e-12));
        }
    }

    TEST_CASE("profiles that do not fit are refused") {
        auto t = small_detector();
        auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        CHECK(throws_naming<ValueError>(
            [&] {
                fit_profile(t.model, t.params, t.policy, Batch<float>(nullptr, {0, 9, 12, 2}), t.serial);
            },
            {"one image"}));
        const auto whole = profile;
        profile.weight.pop_back();
        CHECK_THROWS_AS(Scorer(t.model, t.params, t.policy, profile), ShapeError);
        profile = whole;
        profile.mean[1].pop_back();
        CHECK_THROWS_AS(Scorer(t.model, t.params, t.policy, profile), ShapeError);
        profile = whole;
        profile.code_whitening.pop_back();
        CHECK_THROWS_AS(Scorer(t.model, t.params, t.policy, profile), ShapeError);

        // A policy of a deeper network: of the same type, being a chain's.
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
        Scores scores;
        CHECK(throws_naming<ShapeError>([&] { score_each(scorer, large, t.serial, std::span(workspaces), scores); },
                                        {"48", "120"}));
        CHECK(scores.samples() == 0);    // noticed before anything is written
        std::vector<double> of_paper(2); // the paper's score needs no codes
        score_each(scorer, large, t.serial, std::span(workspaces), std::span(of_paper));
        CHECK(of_paper == score_each(Scorer{t.model, t.params, t.policy}, large, t.serial).score());
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
        CHECK(scores[Statistic::code_distance] == std::vector<double>(21));
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
        CHECK(score_each(Scorer{model, t.params, policy, profile}, t.images, t.serial)[Statistic::fisher_norm] ==
              std::vector<double>(10));
    }
}
