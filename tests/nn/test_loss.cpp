#include "random_tensors.hpp"

#include <gradcon/nn/ssim.hpp>
#include <gradcon/testing/check_loss.hpp>

#include <doctest/doctest.h>

using namespace gradcon;

namespace {

/// The mean squared error with half its gradient, and with half its tangent.
struct HalfGradient : MeanSquaredError {
    template <class T>
    static Batch<T> gradient(Batch<T> y, Batch<T> t, std::size_t elements, Tensor<T, 4>& storage) {
        return MeanSquaredError::gradient(y, t, 2 * elements, storage);
    }
};
struct HalfTangent : MeanSquaredError {
    template <class T>
    static Batch<T> gradient_tangent(Batch<T> y, Batch<T> t, Batch<T> y_dot, std::size_t elements,
                                     Tensor<T, 4>& storage) {
        return MeanSquaredError::gradient_tangent(y, t, y_dot, 2 * elements, storage);
    }
};

/// SSIM of two images by its definition, with windows of w x w.
double ssim(Batch<double> y, Batch<double> t, std::size_t w) {
    const std::size_t height = y.shape(1), width = y.shape(2), channels = y.shape(3);
    double sum = 0, windows = 0;
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t top = 0; top + w <= height; ++top)
            for (std::size_t left = 0; left + w <= width; ++left, ++windows) {
                std::vector<double> a, b;
                for (std::size_t i = top; i < top + w; ++i)
                    for (std::size_t j = left; j < left + w; ++j) {
                        a.push_back(y.data()[(i * width + j) * channels + c]);
                        b.push_back(t.data()[(i * width + j) * channels + c]);
                    }
                const double n = static_cast<double>(a.size());
                double ma = 0, mb = 0, va = 0, vb = 0, cov = 0;
                for (std::size_t i = 0; i < a.size(); ++i) ma += a[i] / n, mb += b[i] / n;
                for (std::size_t i = 0; i < a.size(); ++i) {
                    va += (a[i] - ma) * (a[i] - ma) / n;
                    vb += (b[i] - mb) * (b[i] - mb) / n;
                    cov += (a[i] - ma) * (b[i] - mb) / n;
                }
                sum += (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
            }
    return sum / windows;
}

} // namespace

TEST_SUITE("loss") {
    TEST_CASE("gradients and their tangents agree with central differences") {
        for (const Shape& shape : {Shape{2, 8, 9, 1}, Shape{3, 7, 7, 3}}) {
            for (const auto& check : {testing::check_loss_gradient(MeanSquaredError{}, shape),
                                      testing::check_loss_gradient(L1Loss{}, shape),
                                      testing::check_loss_gradient(SsimLoss{.window = 5}, shape),
                                      testing::check_loss_gradient(SsimLoss{}, shape)})
                CHECK_MESSAGE(check.passed, check.message);
        }
        CHECK(!testing::check_loss_gradient(HalfGradient{}, {2, 8, 9, 1}).passed);
        CHECK(!testing::check_loss_gradient(HalfTangent{}, {2, 8, 9, 1}).passed);
    }

    TEST_CASE("values by definition; a block's share does not depend on the others") {
        Rng rng(2);
        const auto y = random_images<double>({2, 9, 8, 2}, rng), t = random_images<double>({2, 9, 8, 2}, rng);
        const Batch<double> a(y), b(t);
        const SsimLoss loss{.window = 4};
        const double n = 9 * 8 * 2;
        CHECK(loss.sum(a.slice(0, 1), b.slice(0, 1)) / n ==
              doctest::Approx(1 - ssim(a.slice(0, 1), b.slice(0, 1), 4)).epsilon(1e-12));
        CHECK(loss.sum(a, b) ==
              doctest::Approx(loss.sum(a.slice(0, 1), b.slice(0, 1)) + loss.sum(a.slice(1, 1), b.slice(1, 1))));
        CHECK(loss.sum(a, a) == doctest::Approx(0));
        double absolute = 0;
        for (std::size_t i = 0; i < y.size(); ++i) absolute += std::abs(y.data()[i] - t.data()[i]);
        CHECK(L1Loss::sum(a, b) == doctest::Approx(absolute));
        CHECK(
            throws_naming<ShapeError>([&] { static_cast<void>(SsimLoss{.window = 9}.sum(a, b)); }, {"9 x 9", "9 x 8"}));
    }

    TEST_CASE("an autoencoder trains and scores by its loss") {
        const auto cae = models::cae({.height = 9, .width = 12, .widths = {4}});
        Rng rng(3);
        const auto images = random_images<float>({24, 9, 12, 1}, rng, 0.3, 0.6);
        const auto train = [&](const auto& model) {
            auto params = model.init(rng);
            GradCon policy{params.decoder, {}};
            Adam adam{params, {.learning_rate = 3e-3}};
            std::vector<double> losses;
            fit(model, params, policy, adam, images, rng, {.epochs = 15, .batch_size = 8},
                [&](const Epoch& epoch) { losses.push_back(epoch.training.total); });
            CHECK(losses.back() < losses.front());
            SerialExecutor serial;
            const auto profile = fit_profile(model, params, policy, images, serial);
            const auto scores = score_each(Scorer{model, params, policy, profile}, images, serial);
            TrainingWorkspace<std::remove_cvref_t<decltype(model)>, float> workspace(params);
            const auto one = evaluate(model, params, policy, Batch<float>(images).slice(5, 1), workspace, serial);
            CHECK(scores.reconstruction_error()[5] == doctest::Approx(one.reconstruction).epsilon(1e-6));
        };
        train(Autoencoder{cae.encoder, cae.decoder, Latent{}, L1Loss{}});
        train(Autoencoder{cae.encoder, cae.decoder, Latent{}, SsimLoss{.window = 5}});
    }
}
