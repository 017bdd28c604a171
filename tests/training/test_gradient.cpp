#include "naive_autoencoder.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("gradient") {
    TEST_CASE("the loss's gradient in all parameters: plain loops, threads, one image of many") {
        const Autoencoder<Chain, Chain> model{
            Chain{{Conv2d{2, 5, {.kernel_size = 4, .stride = 2, .padding = 2}}, ReLU{}}},
            Chain{{ConvTranspose2d{5, 2, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = {1, 0}}},
                   Sigmoid{}}}};
        Rng rng(3);
        const auto params = model.init<double>(rng);
        const auto images = random_images<double>({11, 7, 10, 2}, rng);
        const auto g = gradient(model, params, images);
        NaiveAutoencoder<double> plain(model, params);
        plain.loss_and_gradient(images);
        std::size_t i = 0;
        for (const auto& found : named_tensors(g)) {
            INFO(found.name);
            CHECK(relative_error(found, *plain.gradients()[i++]) < 1e-12);
        }
        CHECK(i == 4);

        ThreadPool three(3);
        const auto same = gradient(model, params, images, three);
        for_each_tensor([](const auto& a, const auto& b) { CHECK(std::equal(a.begin(), a.end(), b.begin())); }, g,
                        same);

        // A batch's gradient is the mean of its images'.
        auto mean = zeros_like(params);
        for (std::size_t k = 0; k < 11; ++k)
            axpy(1.0 / 11, gradient(model, params, Batch<double>(images).slice(k, 1)), mean);
        CHECK(relative_error(tensor(mean, "encoder.0.weight"), tensor(g, "encoder.0.weight")) < 1e-12);
        CHECK_THROWS_AS(gradient(model, params, Batch<double>(images).slice(0, 0)), ShapeError);
    }

    TEST_CASE("it is what a policy aligns with its reference") {
        const auto model = models::cae({.height = 9, .width = 12, .widths = {4}});
        Rng rng(3);
        const auto params = model.init(rng);
        GradCon policy{params.decoder, {}};
        auto reference = params.decoder;
        randomize(reference, rng);
        policy.update(reference);
        const auto images = random_images<float>({1, 9, 12, 1}, rng);
        const auto g = gradient(model, params, images);
        SerialExecutor serial;
        const auto scores = score_each(Scorer{model, params, policy}, images, serial);
        CHECK(policy.alignments(g.decoder)[0].cosine == doctest::Approx(scores[0].cosine()[0]).epsilon(1e-5));
        CHECK(policy.score(scores.reconstruction_error()[0], g.decoder) ==
              doctest::Approx(scores.score()[0]).epsilon(1e-5));
    }
}
