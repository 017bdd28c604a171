#include "layer_checks.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

using namespace gradcon;

namespace {

/// Equations 1, 2 and 7 of Wu & He for one value: i and k share a set S_i where k_N = i_N and
/// floor(k_C / (C / G)) = floor(i_C / (C / G)).
double by_formula(const Tensor<double, 4>& x, std::size_t i, std::size_t groups, double eps,
                  const GroupNorm::Params<double>& p) {
    const std::size_t channels = x.shape(3), sample = x.shape(1) * x.shape(2) * channels, each = channels / groups;
    const auto in_set = [&](std::size_t k) {
        return k / sample == i / sample && k % channels / each == i % channels / each;
    };
    double m = 0, mean = 0, variance = 0;
    for (std::size_t k = 0; k < x.size(); ++k)
        if (in_set(k)) ++m, mean += x.data()[k];
    mean /= m;
    for (std::size_t k = 0; k < x.size(); ++k)
        if (in_set(k)) variance += std::pow(x.data()[k] - mean, 2) / m;
    return p.weight(i % channels) * (x.data()[i] - mean) / std::sqrt(variance + eps) + p.bias(i % channels);
}

} // namespace

TEST_SUITE("GroupNorm") {
    TEST_CASE("random sizes and groups: the paper's formula, and all passes") {
        Rng rng(14);
        for (int round = 0; round < 20; ++round) {
            const std::size_t groups = 1 + random_index(rng, 4), each = 1 + random_index(rng, 4);
            const Shape shape{2, 1 + random_index(rng, 4), 2 + random_index(rng, 4), groups * each};
            INFO(groups, " groups of ", shape_string(shape));
            const double eps = round % 2 == 0 ? 1e-5 : 0.3;
            const GroupNorm layer{groups, groups * each, {.eps = eps}};
            check_passes(layer, shape);
            check_reduction(layer, {1, shape[1], shape[2], shape[3]});
            const auto x = random_images<double>(shape, rng, -1, 3);
            auto p = layer.init<double>(rng);
            randomize(p, rng);
            GroupNorm::Cache<double> cache;
            const auto y = layer.forward(p, Batch<double>(x), cache);
            for (std::size_t i = 0; i < y.size(); ++i)
                CHECK(y.data()[i] == doctest::Approx(by_formula(x, i, groups, eps, p)).epsilon(1e-12));
        }
    }

    TEST_CASE("it starts with mean 0 and variance 1, and a constant group gives the bias") {
        Rng rng(15);
        const GroupNorm layer{2, 4};
        CHECK(layer.options().eps == 1e-5);
        auto x = random_images<float>({1, 8, 8, 4}, rng, 2, 9);
        for (std::size_t i = 0; i < x.size(); ++i)
            if (i % 4 >= 2) x.data()[i] = 7;
        GroupNorm::Cache<float> cache;
        const auto y = layer.forward(layer.init(rng), Batch<float>(x), cache);
        double sum = 0, squares = 0;
        for (std::size_t i = 0; i < x.size(); ++i)
            if (i % 4 >= 2) CHECK(y.data()[i] == 0);
            else sum += double{y.data()[i]}, squares += double{y.data()[i]} * double{y.data()[i]};
        CHECK(std::abs(sum / 128) < 1e-6);
        CHECK(squares / 128 == doctest::Approx(1).epsilon(1e-4));
    }

    TEST_CASE("a sample's results do not depend on its batch") {
        Rng rng(16);
        const GroupNorm layer{3, 6};
        auto p = layer.init(rng);
        randomize(p, rng);
        const auto x = random_images<float>({3, 4, 5, 6}, rng), dy = random_images<float>({3, 4, 5, 6}, rng);
        GroupNorm::Cache<float> together, alone;
        auto g = zeros_like(p);
        const auto y = layer.forward(p, Batch<float>(x), together);
        const auto dx = layer.backward(p, together, Batch<float>(dy), g);
        for (std::size_t n = 0; n < 3; ++n) {
            const auto y_alone = layer.forward(p, Batch<float>(x).slice(n, 1), alone);
            const auto dx_alone = layer.backward(p, alone, Batch<float>(dy).slice(n, 1), g);
            CHECK(std::equal(y_alone.data(), y_alone.data() + y_alone.size(), y.slice(n, 1).data()));
            CHECK(std::equal(dx_alone.data(), dx_alone.data() + dx_alone.size(), dx.slice(n, 1).data()));
        }
    }

    TEST_CASE("wrong options and shapes are refused by name") {
        CHECK(throws_naming<ValueError>([] { GroupNorm(3, 8); }, {"GroupNorm", "groups 3", "channels 8"}));
        CHECK(throws_naming<ValueError>([] { GroupNorm(0, 8); }, {"groups 0"}));
        CHECK(throws_naming<ValueError>([] { GroupNorm(2, 8, {.eps = 0}); }, {"eps 0"}));
        const GroupNorm layer{2, 8};
        CHECK(throws_naming<ShapeError>([&] { layer.output_shape({1, 2, 2, 4}); }, {"x 8", "1 x 2 x 2 x 4"}));
    }
}
