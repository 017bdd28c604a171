#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("Flatten and Unflatten") {
    TEST_CASE("all passes agree with central differences") {
        check_passes(Flatten{}, {2, 3, 4, 5});
        check_passes(Unflatten{3, 4, 5}, {2, 1, 1, 60});
    }

    TEST_CASE("Flatten has PyTorch's order: channel, row, column") {
        Rng rng(6);
        const auto x = random_images<float>({1, 2, 3, 2}, rng);
        Flatten::Cache<float> cache;
        const auto y = Flatten{}.forward({}, Batch<float>(x), cache);
        CHECK(y.shape() == Shape{1, 1, 1, 12});
        CHECK(y.data()[0] == x(0, 0, 0, 0));
        CHECK(y.data()[1] == x(0, 0, 1, 0));
        CHECK(y.data()[6] == x(0, 0, 0, 1));
        CHECK(y.data()[11] == x(0, 1, 2, 1));
    }

    TEST_CASE("Unflatten refuses a wrong shape by name") {
        const Unflatten unflatten{2, 2, 3};
        CHECK(throws_naming<ShapeError>([&] { unflatten.output_shape({1, 1, 1, 11}); }, {"12", "1 x 1 x 1 x 11"}));
    }
}
