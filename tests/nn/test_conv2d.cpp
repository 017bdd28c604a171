#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("Conv2d") {
    TEST_CASE("all passes agree with central differences on random sizes, strides and paddings") {
        Rng rng(11);
        for (int round = 0; round < 40; ++round) {
            const std::size_t k = 1 + random_index(rng, 5), s = 1 + random_index(rng, 4), p = random_index(rng, 4);
            const std::size_t in = 1 + random_index(rng, 9), out = 1 + random_index(rng, 9);
            const std::size_t least = k > 2 * p ? k - 2 * p : 1, h = least + random_index(rng, 6),
                              w = least + random_index(rng, 7);
            INFO("kernel ", k, " stride ", s, " padding ", p, " channels ", in, " to ", out);
            check_passes(Conv2d{in, out, {.kernel_size = k, .stride = s, .padding = p}}, {2, h, w, in});
        }
    }

    TEST_CASE("its reduction equals the dot and norm of the gradient that backward stores") {
        check_reduction(Conv2d{3, 8, {.kernel_size = 4, .stride = 2, .padding = 2}}, {1, 9, 10, 3});
    }

    TEST_CASE("wrong options and shapes are refused by name") {
        CHECK(throws_naming<ValueError>([] { Conv2d(0, 1, {}); }, {"Conv2d", "in_channels 0"}));
        CHECK(throws_naming<ValueError>([] { Conv2d(1, 1, {.kernel_size = 3, .stride = 0}); }, {"stride 0"}));
        const Conv2d conv{3, 4, {.kernel_size = 5}};
        CHECK(throws_naming<ShapeError>([&] { conv.output_shape({1, 5, 5, 1}); }, {"x 3", "1 x 5 x 5 x 1"}));
        CHECK(throws_naming<ShapeError>([&] { conv.output_shape({1, 4, 9, 3}); }, {"at least 5", "1 x 4 x 9 x 3"}));
    }
}
