#include <gradcon/core/simd.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace gradcon;

TEST_SUITE("simd") {
    TEST_CASE_TEMPLATE("the square root of a vector is that of its lanes", T, float, double) {
        simd::Vector<T> v{};
        for (int i = 0; i < simd::lanes<T>; ++i) v[i] = static_cast<T>(i) / 3;
        const auto root = simd::sqrt(v);
        for (int i = 0; i < simd::lanes<T>; ++i) CHECK(root[i] == std::sqrt(v[i]));
        CHECK(simd::sqrt(T{2}) == std::sqrt(T{2}));
    }

    TEST_CASE_TEMPLATE("sums of lanes: each lane once, in double where it says so", T, float, double) {
        constexpr int lanes = simd::lanes<T>;
        simd::Vector<T> v{};
        for (int i = 0; i < lanes; ++i) v[i] = static_cast<T>(1 << i);
        CHECK(simd::sum_of_lanes<T, lanes>(v) == static_cast<T>((1 << lanes) - 1));
        simd::WideSum<T> sum;
        const simd::Vector<T> large = simd::Vector<T>{} + T{16'777'216}; // 2^24: a float would lose the ones beside it
        sum.add(large);
        sum.add(v);
        CHECK(sum.sum() == 16'777'216.0 * lanes + (1 << lanes) - 1);
    }

    TEST_CASE_TEMPLATE("reciprocals of powers of two are exact", T, float, double) {
        simd::Vector<T> v{};
        for (int i = 0; i < simd::lanes<T>; ++i) v[i] = static_cast<T>(1 << i);
        const auto reciprocal = simd::reciprocal(v);
        for (int i = 0; i < simd::lanes<T>; ++i) CHECK(reciprocal[i] * v[i] == 1);
    }
}
