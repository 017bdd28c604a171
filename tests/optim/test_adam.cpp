#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace gradcon;
using Tree = std::vector<std::vector<double>>;

TEST_SUITE("optim") {
    TEST_CASE("Adam follows its formulas") {
        Tree p{{1.0, -2.0}};
        Adam adam{p, {.learning_rate = 0.1, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3}};
        double m = 0, v = 0, x = 1.0;
        for (int t = 1; t <= 5; ++t) {
            const double g = 0.3 * t - 0.7;
            adam.step(p, Tree{{g, 0.0}});
            m = 0.8 * m + 0.2 * g;
            v = 0.95 * v + 0.05 * g * g;
            x -= 0.1 * (m / (1 - std::pow(0.8, t))) / (std::sqrt(v / (1 - std::pow(0.95, t))) + 1e-3);
            CHECK(p[0][0] == doctest::Approx(x).epsilon(1e-14));
            CHECK(p[0][1] == -2.0);
        }
        CHECK(adam.steps() == 5);
        adam.set_learning_rate(0);
        adam.step(p, Tree{{1.0, 1.0}});
        CHECK(p[0][1] == -2.0);
    }

    TEST_CASE_TEMPLATE("Adam moves every element of a long tensor by the same formula", T, float, double) {
        Rng rng(3);
        for (const std::size_t n : {1U, 8U, 37U, 64U}) { // whole vectors, and a rest
            std::vector<std::vector<T>> p{random_values<T>(n, rng)}, first = p, g{random_values<T>(n, rng)};
            Adam adam{p, {.learning_rate = 0.1}};
            adam.step(p, g);
            for (std::size_t i = 0; i < n; ++i) { // from zero moments, corrected: m = g, v = g^2
                const double d = double{g[0][i]};
                const double expected = double{first[0][i]} - 0.1 * d / (std::abs(d) + 1e-8);
                CHECK(std::abs(double{p[0][i]} - expected) <= 8 * double{std::numeric_limits<T>::epsilon()});
            }
        }
    }

    TEST_CASE("SGD with momentum follows its formulas") {
        Tree p{{1.0}};
        Sgd sgd{p, {.learning_rate = 0.1, .momentum = 0.9}};
        sgd.step(p, Tree{{2.0}});
        CHECK(p[0][0] == doctest::Approx(0.8));
        sgd.step(p, Tree{{1.0}});
        CHECK(p[0][0] == doctest::Approx(0.8 - 0.1 * 2.8));
    }

    TEST_CASE("options outside their range are refused") {
        const Tree p{{1.0}};
        CHECK_THROWS_AS(Adam(p, {.beta1 = 1}), ValueError);
        CHECK_THROWS_AS(Adam(p, {.epsilon = 0}), ValueError);
        CHECK_THROWS_AS(Adam(p, {.learning_rate = std::nan("")}), ValueError);
        CHECK_THROWS_AS(Sgd(p, {.learning_rate = -1}), ValueError);
        CHECK_THROWS_AS(Sgd(p, {.momentum = 1}), ValueError);
        Tree q = p;
        Adam adam{p, {}};
        CHECK_THROWS_AS(adam.step(q, Tree{{1.0, 2.0}}), ShapeError);
    }
}
