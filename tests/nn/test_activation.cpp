#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("activations") {
    TEST_CASE("all passes agree with central differences") {
        check_passes(ReLU{}, {2, 3, 4, 5});
        check_passes(LeakyReLU{0.2}, {2, 3, 4, 5});
        check_passes(Sigmoid{}, {2, 3, 4, 5});
        check_passes(Tanh{}, {2, 3, 4, 5});
    }

    TEST_CASE("activations at and around their special points") {
        CHECK(ReLU{}.value(0.0F) == 0);
        CHECK(ReLU{}.derivative(0.0F, 0.0F) == 0); // as in PyTorch
        CHECK(ReLU{}.value(-1.0) == 0);
        CHECK(LeakyReLU{}.value(-1.0) == doctest::Approx(-0.01));
        CHECK(Sigmoid{}.value(-1000.0F) < 1e-37);
        CHECK(Sigmoid{}.value(-1000.0) == 0);
        CHECK(Sigmoid{}.value(1000.0F) == 1);
        CHECK(Sigmoid{}.value(0.0) == 0.5);
    }
}
