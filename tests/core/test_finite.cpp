#include <gradcon/core/finite.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace gradcon;

TEST_SUITE("finite") {
    TEST_CASE("is_finite and is_nan look at the bits") {
        CHECK(is_finite(0));
        CHECK(is_finite(-1.7e308));
        CHECK(is_finite(5e-324));
        CHECK(!is_finite(std::numeric_limits<double>::infinity()));
        CHECK(!is_finite(-std::numeric_limits<double>::infinity()));
        CHECK(!is_finite(std::numeric_limits<double>::quiet_NaN()));
        CHECK(is_nan(std::numeric_limits<double>::quiet_NaN()));
        CHECK(is_nan(-std::numeric_limits<double>::quiet_NaN()));
        CHECK(!is_nan(std::numeric_limits<double>::infinity()));
        CHECK(!is_nan(-std::numeric_limits<double>::infinity()));
        CHECK(!is_nan(-1.7e308));
    }
}
