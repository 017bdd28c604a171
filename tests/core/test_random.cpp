#include <gradcon/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

using namespace gradcon;

TEST_SUITE("random") {
    TEST_CASE("a seed's numbers are fixed, on every platform") {
        Rng rng(0);
        CHECK(uniform(rng, 0, 1) == doctest::Approx(0.15979336337046085).epsilon(1e-15));
        Rng copy = rng;
        CHECK(random_index(rng, 1000) == copy() % 1000);
        Rng standard; // whose 10,000th number the C++ standard gives
        standard.discard(9999);
        CHECK(standard() == 9981545732273789042U);
        std::vector<int> values(6);
        std::iota(values.begin(), values.end(), 0);
        shuffle(std::span(values), rng);
        std::vector<int> sorted = values;
        std::ranges::sort(sorted);
        CHECK(sorted == std::vector<int>{0, 1, 2, 3, 4, 5});
    }

    TEST_CASE("draws are uniform") {
        Rng rng(4);
        double sum = 0, squares = 0;
        std::vector<int> counts(5);
        constexpr int n = 100'000;
        for (int i = 0; i < n; ++i) {
            const double u = uniform(rng, -1, 3);
            CHECK_MESSAGE((u >= -1 && u < 3), u);
            sum += u;
            squares += u * u;
            ++counts[random_index(rng, 5)];
        }
        CHECK(std::abs(sum / n - 1) < 0.02); // 5 standard deviations
        CHECK(std::abs(squares / n - (1 + 16.0 / 12)) < 0.04);
        for (const int count : counts) CHECK(std::abs(count - n / 5) < 5 * 127);
    }
}
