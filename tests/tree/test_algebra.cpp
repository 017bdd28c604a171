#include <gradcon/tree/algebra.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace gradcon;

TEST_SUITE("algebra") {
    TEST_CASE("the vector space") {
        using Tree = std::vector<std::vector<float>>;
        const Tree a{{1, 2}, {3}}, b{{-1, 0}, {5}};
        CHECK(dot(a, b) == 14);
        CHECK(norm(a) == doctest::Approx(std::sqrt(14.0)));
        CHECK(cosine(a, b) == doctest::Approx(14 / std::sqrt(14.0 * 26)));
        Tree c = a;
        axpy(2, b, c);
        CHECK(c == Tree{{-1, 2}, {13}});
        fill(c, 3);
        CHECK(c == Tree{{3, 3}, {3}});
        CHECK(zeros_like(a) == Tree{{0, 0}, {0}});
        std::vector<std::vector<double>> d{{0, 0}, {0}};
        copy(a, d);
        CHECK(d == std::vector<std::vector<double>>{{1, 2}, {3}});
    }
}
