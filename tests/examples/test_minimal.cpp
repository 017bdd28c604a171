// The one-file GradCon of examples/minimal.cpp against the library: one has plain loops and Eigen products, the other
// packed kernels; they share no line.
#define main minimal_main // the example's, which nobody calls
#include "../../examples/minimal.cpp"
#undef main

#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <vector>

namespace {

using Net = gradcon::Autoencoder<gradcon::Chain, gradcon::Chain>;

/// The same layers as minimal::small_detector.
Net library_network() {
    constexpr gradcon::Conv2dOptions halve{.kernel_size = 4, .stride = 2, .padding = 1};
    constexpr gradcon::ConvTranspose2dOptions twice{.kernel_size = 4, .stride = 2, .padding = 1};
    using gradcon::Conv2d, gradcon::ConvTranspose2d, gradcon::ReLU, gradcon::Sigmoid;
    return {gradcon::Chain{{Conv2d{1, 8, halve}, ReLU{}, Conv2d{8, 8, halve}, ReLU{}, Conv2d{8, 8, halve}, ReLU{}}},
            gradcon::Chain{{ConvTranspose2d{8, 8, twice}, ReLU{}, ConvTranspose2d{8, 8, twice}, ReLU{},
                            ConvTranspose2d{8, 1, twice}, Sigmoid{}}}};
}

/// Weight and bias of each layer, in the order of the library's trees. Their memory is laid out alike: a column-major
/// matrix of (small channels) x (taps, large channels) is what the library calls taps x large x small.
std::vector<minimal::Parameter*> parameters(minimal::GradCon& detector) {
    std::vector<minimal::Parameter*> list;
    for (auto* part : {&detector.encoder, &detector.decoder})
        for (auto& layer : *part) list.insert(list.end(), {&layer.weight, &layer.bias});
    return list;
}

std::span<double> flat(minimal::Matrix& matrix) { return {matrix.data(), static_cast<std::size_t>(matrix.size())}; }

/// Both have N x 16 x 16 x C images in the same order of memory.
minimal::Matrix as_matrix(gradcon::Batch<double> images) {
    return Eigen::Map<const minimal::Matrix>(images.data(), static_cast<Eigen::Index>(images.shape(3)),
                                             static_cast<Eigen::Index>(images.size() / images.shape(3)));
}

/// The largest relative error of a tensor of `tree`, by the member of the parameters there.
template <class Tree>
double worst_error(minimal::GradCon& detector, minimal::Matrix minimal::Parameter::*member, const Tree& tree) {
    const auto list = parameters(detector);
    double worst = 0;
    std::size_t i = 0;
    gradcon::for_each_tensor(
        [&](const auto& tensor) {
            worst = std::max(worst, relative_error(flat(list[i++]->*member), gradcon::elements(tensor)));
        },
        tree);
    CHECK(i == list.size());
    return worst;
}

} // namespace

TEST_SUITE("minimal") {
    TEST_CASE("the example of one file computes what the library computes: training steps, references, scores") {
        constexpr double tolerance = 1e-10; // both in double
        const auto model = library_network();
        gradcon::Rng rng(4);
        auto params = model.init<double>(rng);
        gradcon::GradCon policy{params.decoder, {.alpha = 0.3, .beta = 0.12}}; // alpha: the second order is to be seen
        gradcon::Adam adam{params, {.learning_rate = 1e-2}};
        gradcon::TrainingWorkspace<Net, double> workspace(params);
        gradcon::SerialExecutor serial;

        minimal::GradCon detector = minimal::small_detector(rng);
        detector.alpha = policy.options().alpha;
        detector.beta = policy.options().beta;
        detector.learning_rate = adam.learning_rate();
        std::size_t i = 0;
        const auto list = parameters(detector);
        gradcon::for_each_tensor(
            [&](const auto& tensor) {
                REQUIRE(flat(list[i]->value).size() == tensor.size());
                std::ranges::copy(gradcon::elements(tensor), list[i++]->value.data());
            },
            params);
        REQUIRE(i == 12);

        const auto images = random_images<double>({11, 16, 16, 1}, rng);
        const gradcon::Batch<double> batch(images);
        double aligned = 0;
        for (int step = 0; step < 6; ++step) {
            INFO("step ", step);
            const auto part = batch.slice(step % 2 == 0 ? 0 : 5, step % 2 == 0 ? 5 : 6);
            const auto expected =
                gradcon::train_step<Net, double>(model, params, policy, adam, part, workspace, serial);
            const auto found = detector.train(as_matrix(part));
            CHECK(found.reconstruction == doctest::Approx(expected.reconstruction).epsilon(tolerance));
            CHECK(found.alignment == doctest::Approx(expected.alignment).epsilon(tolerance));
            CHECK(found.total == doctest::Approx(expected.total).epsilon(tolerance));
            CHECK(worst_error(detector, &minimal::Parameter::gradient, workspace.gradient) < tolerance);
            CHECK(worst_error(detector, &minimal::Parameter::value, params) < tolerance);
            aligned = std::max(aligned, std::abs(expected.alignment));
        }
        CHECK(aligned > 0.01);
        for (std::size_t k = 0; k < policy.count(); ++k)
            CHECK(relative_error(flat(detector.decoder[k].reference), policy.reference().exact(k)) < tolerance);

        const auto expected = gradcon::score_each(gradcon::Scorer{model, params, policy}, images, serial);
        for (std::size_t n = 0; n < batch.samples(); ++n) {
            INFO("image ", n);
            const auto found = detector.score(as_matrix(batch.slice(n, 1)));
            CHECK(found.mse == doctest::Approx(expected.reconstruction_error()[n]).epsilon(tolerance));
            REQUIRE(found.cosines.size() == policy.count());
            for (std::size_t k = 0; k < policy.count(); ++k)
                CHECK(std::abs(found.cosines[k] - expected[n].cosine()[k]) < tolerance);
            CHECK(found.score == doctest::Approx(expected.score()[n]).epsilon(tolerance));
        }
    }

    TEST_CASE("its AUROC counts pairs, ties one half") {
        const auto scores = [](std::initializer_list<double> values) {
            std::vector<minimal::Score> list;
            for (const double v : values) list.push_back({v, -v, 0, {}});
            return list;
        };
        CHECK(minimal::auroc(scores({1, 2}), scores({2, 3}), &minimal::Score::mse) == 0.875);
        CHECK(minimal::auroc(scores({1, 2}), scores({2, 3}), &minimal::Score::gradient) == 0.125);
        CHECK(minimal::auroc(scores({1, 2}), scores({2, 3}), &minimal::Score::score) == 0.5);
    }
}
