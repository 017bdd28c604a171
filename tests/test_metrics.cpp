#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace gradcon;

namespace {

/// The definition: of all pairs of an anomaly and a normal sample, the share in the right order, ties one half.
double by_pairs(const std::vector<double>& scores, const std::vector<std::uint8_t>& anomalous) {
    double right = 0, pairs = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
        for (std::size_t j = 0; j < scores.size(); ++j)
            if (anomalous[i] && !anomalous[j]) {
                right += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
                ++pairs;
            }
    return right / pairs;
}

} // namespace

TEST_SUITE("metrics") {
    TEST_CASE("AUROC equals the count over all pairs, ties included") {
        Rng rng(1);
        for (int round = 0; round < 50; ++round) {
            const std::size_t n = 2 + random_index(rng, 60), levels = 1 + random_index(rng, 20);
            std::vector<double> scores(n);
            std::vector<std::uint8_t> anomalous(n);
            for (std::size_t i = 0; i < n; ++i) {
                scores[i] = static_cast<double>(random_index(rng, levels));
                anomalous[i] = static_cast<std::uint8_t>(random_index(rng, 2));
            }
            anomalous[0] = 0, anomalous[1] = 1;
            CHECK(auroc(scores, anomalous) == doctest::Approx(by_pairs(scores, anomalous)).epsilon(1e-14));
        }
    }

    TEST_CASE("AUROC at its ends") {
        const double infinity = std::numeric_limits<double>::infinity();
        const std::vector<std::uint8_t> labels{0, 1, 0, 1};
        CHECK(auroc(std::vector<double>{1, 2, 1, 3}, labels) == 1);
        CHECK(auroc(std::vector<double>{5, 2, 4, 3}, labels) == 0);
        CHECK(auroc(std::vector<double>{7, 7, 7, 7}, labels) == 0.5);
        CHECK(auroc(std::vector<double>{-infinity, infinity, 0, infinity}, labels) == 1);
        CHECK(auroc(std::vector<double>{infinity, infinity, infinity, infinity}, labels) == 0.5);
    }

    TEST_CASE("AUROC refuses one class, NaN and unequal lengths") {
        CHECK(throws_naming<ValueError>(
            [] {
                static_cast<void>(auroc(std::vector<double>{1, 2}, std::vector<std::uint8_t>{1, 1}));
            },
            {"2 and 0"}));
        CHECK_THROWS_AS(auroc(std::vector<double>{}, std::vector<std::uint8_t>{}), ValueError);
        const double nan = std::numeric_limits<double>::quiet_NaN();
        CHECK(throws_naming<ValueError>(
            [&] {
                static_cast<void>(auroc(std::vector<double>{1, nan}, std::vector<std::uint8_t>{0, 1}));
            },
            {"score 1"}));
        CHECK(throws_naming<ValueError>(
            [&] {
                static_cast<void>(auroc(std::vector<double>{1, -nan}, std::vector<std::uint8_t>{0, 1}));
            },
            {"score 1"}));
        CHECK_THROWS_AS(auroc(std::vector<double>{1, 2}, std::vector<std::uint8_t>{0}), ValueError);
    }
}
