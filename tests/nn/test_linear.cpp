#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("Linear") {
    TEST_CASE("all passes agree with central differences") {
        check_passes(Linear{5, 3}, {4, 1, 1, 5});
        check_passes(Linear{33, 18}, {3, 1, 1, 33});
    }

    TEST_CASE("Linear is the matrix product") {
        Rng rng(5);
        const Linear layer{7, 5};
        const auto p = layer.init<double>(rng);
        const auto x = random_images<double>({3, 1, 1, 7}, rng, -1, 1);
        Linear::Packed<double> packed;
        layer.pack(p, packed);
        Linear::Cache<double> cache;
        const auto y = layer.forward(packed, Batch<double>(x), cache);
        for (std::size_t n = 0; n < 3; ++n)
            for (std::size_t o = 0; o < 5; ++o) {
                double sum = p.bias(o);
                for (std::size_t i = 0; i < 7; ++i) sum += x.data()[n * 7 + i] * p.weight(i, o);
                CHECK(y.data()[n * 5 + o] == doctest::Approx(sum).epsilon(1e-14));
            }
    }

    TEST_CASE("its reduction equals the dot and norm of the gradient that backward stores") {
        check_reduction(Linear{20, 9}, {1, 1, 1, 20});
    }

    TEST_CASE("wrong options and shapes are refused by name") {
        CHECK(throws_naming<ValueError>([] { Linear(3, 0); }, {"Linear", "3 and 0"}));
        const Linear linear{4, 2};
        CHECK(throws_naming<ShapeError>([&] { linear.output_shape({1, 2, 2, 1}); }, {"N x 1 x 1 x 4", "Flatten"}));
    }
}
