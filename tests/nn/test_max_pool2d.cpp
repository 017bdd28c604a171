#include "layer_checks.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <vector>

using namespace gradcon;

namespace {

/// By the definition: every offset of the window, and whether it lies inside.
double largest_in_window(const Tensor<double, 4>& x, const Shape& at, std::size_t kernel, std::size_t stride,
                         std::size_t padding) {
    double largest = -1e300;
    for (std::size_t ky = 0; ky < kernel; ++ky)
        for (std::size_t kx = 0; kx < kernel; ++kx) {
            const std::size_t iy = at[1] * stride + ky, ix = at[2] * stride + kx; // of the padded image
            if (iy >= padding && ix >= padding && iy - padding < x.shape(1) && ix - padding < x.shape(2))
                largest = std::max(largest, x(at[0], iy - padding, ix - padding, at[3]));
        }
    return largest;
}

} // namespace

TEST_SUITE("MaxPool2d") {
    TEST_CASE("random sizes, strides and paddings: the definition, and all passes") {
        Rng rng(13);
        for (int round = 0; round < 30; ++round) {
            const std::size_t k = 1 + random_index(rng, 4), s = 1 + random_index(rng, 4),
                              p = random_index(rng, k / 2 + 1);
            const std::size_t channels = 1 + random_index(rng, 5), least = std::max<std::size_t>(1, k - 2 * p);
            const Shape shape{2, least + random_index(rng, 5), least + random_index(rng, 6), channels};
            INFO("kernel ", k, " stride ", s, " padding ", p, " of ", shape_string(shape));
            const MaxPool2d layer{{.kernel_size = k, .stride = s, .padding = p}};
            check_passes(layer, shape);
            const auto x = random_images<double>(shape, rng, -2, -1); // below any padding of zeros
            MaxPool2d::Cache<double> cache;
            const auto y = layer.forward({}, Batch<double>(x), cache);
            const auto [height, width] = std::array{(shape[1] + 2 * p - k) / s + 1, (shape[2] + 2 * p - k) / s + 1};
            REQUIRE(y.shape() == Shape{2, height, width, channels});
            for (std::size_t i = 0; i < y.size(); ++i)
                CHECK(y.data()[i] == largest_in_window(x,
                                                       {i / channels / width / height, i / channels / width % height,
                                                        i / channels % width, i % channels},
                                                       k, s, p));
        }
    }

    TEST_CASE("among equals the first has the gradient; NaN is the largest") {
        Tensor<float, 4> x(std::array<std::size_t, 4>{1, 2, 4, 1});
        const float nan = std::numeric_limits<float>::quiet_NaN();
        std::ranges::copy(std::array{3.0F, 3.0F, 1.0F, nan, 3.0F, 0.0F, 2.0F, 5.0F}, x.begin());
        const MaxPool2d layer; // 2 x 2, stride 2
        CHECK(layer.options().stride == 2);
        MaxPool2d::Cache<float> cache;
        const auto y = layer.forward({}, Batch<float>(x), cache);
        CHECK(y.shape() == Shape{1, 1, 2, 1});
        CHECK(y.data()[0] == 3);
        CHECK(is_nan(double{y.data()[1]}));
        Tensor<float, 4> dy(std::array<std::size_t, 4>{1, 1, 2, 1});
        dy.fill(1);
        NoParams none;
        const auto dx = layer.backward(none, cache, Batch<float>(dy), none);
        CHECK(std::vector<float>(dx.data(), dx.data() + 8) == std::vector<float>{1, 0, 0, 1, 0, 0, 0, 0});
    }

    TEST_CASE("wrong options and shapes are refused by name") {
        CHECK(throws_naming<ValueError>([] { MaxPool2d{{.kernel_size = 0}}; }, {"MaxPool2d", "kernel_size 0"}));
        CHECK(throws_naming<ValueError>([] { MaxPool2d{{.kernel_size = 3, .padding = 2}}; }, {"padding 2"}));
        const MaxPool2d layer{{.kernel_size = 4, .padding = 1}};
        CHECK(throws_naming<ShapeError>([&] { layer.output_shape({1, 1, 8, 3}); }, {"at least 2", "1 x 1 x 8 x 3"}));
    }
}
