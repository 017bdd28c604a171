#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("ConvTranspose2d") {
    TEST_CASE("all passes agree with central differences on random sizes, strides and paddings") {
        Rng rng(12);
        for (int round = 0; round < 40; ++round) {
            const std::size_t k = 1 + random_index(rng, 5), s = 1 + random_index(rng, 4), p = random_index(rng, 4);
            const std::size_t in = 1 + random_index(rng, 9), out = 1 + random_index(rng, 9);
            const std::size_t smallest = 2 * p >= k ? (2 * p - k) / s + 2 : 1;
            const std::array output_padding{random_index(rng, s), random_index(rng, s)};
            INFO("kernel ", k, " stride ", s, " padding ", p, " channels ", in, " to ", out);
            const ConvTranspose2d layer{
                in, out, {.kernel_size = k, .stride = s, .padding = p, .output_padding = output_padding}};
            check_passes(layer, {2, smallest + random_index(rng, 3), smallest + random_index(rng, 4), in});
        }
    }

    TEST_CASE("its reduction equals the dot and norm of the gradient that backward stores") {
        check_reduction(ConvTranspose2d{8, 3, {.kernel_size = 4, .stride = 2, .padding = 1}}, {1, 4, 5, 8});
    }

    TEST_CASE("wrong options and shapes are refused by name") {
        CHECK(throws_naming<ValueError>(
            [] {
                ConvTranspose2d(1, 1, {.kernel_size = 4, .stride = 2, .padding = 1, .output_padding = {0, 2}});
            },
            {"output_padding 0 2", "stride 2"}));
        const ConvTranspose2d back{3, 4, {.kernel_size = 2, .stride = 1, .padding = 1}};
        CHECK(throws_naming<ShapeError>([&] { back.output_shape({1, 1, 1, 3}); }, {"padding of 1"}));
    }
}
