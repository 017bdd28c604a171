#pragma once

#include "gradcon/core/simd.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

inline double exp(double x) { return std::exp(x); }

/// exp of each lane of a vector of floats to a relative error of 1.5e-7 for x in [-87, 88]; beyond, its value at that
/// end; NaN stays NaN. With n = round(x / ln 2) and r = x - n ln 2: exp(x) = 2^n exp(r), where |r| < 0.35 and the
/// series to r^7 / 7! is exact to 6e-9. ln 2 is split, so that n times its first part is exact; that difference must be
/// taken first.
template <int Lanes>
simd::Vector<float, Lanes> exp(simd::Vector<float, Lanes> x) {
    using V = simd::Vector<float, Lanes>;
    using Bits = simd::Vector<std::int32_t, Lanes>;
    x = x < -87.0F ? V{} - 87.0F : x;
    x = x > 88.0F ? V{} + 88.0F : x;
    const V scaled = x * 1.44269504F;
    const Bits n = __builtin_convertvector(x == x ? scaled + (x < 0.0F ? V{} - 0.5F : V{} + 0.5F) : V{}, Bits);
    const V whole = __builtin_convertvector(n, V);
    const V r = simd::as_written(x - whole * 0.693359375F) - whole * -2.12194440e-4F;
    V sum = V{} + 1.0F / 5040;
    sum = sum * r + 1.0F / 720;
    sum = sum * r + 1.0F / 120;
    sum = sum * r + 1.0F / 24;
    sum = sum * r + 1.0F / 6;
    sum = sum * r + 0.5F;
    sum = sum * r + 1.0F;
    sum = sum * r + 1.0F;
    const Bits power = (n + 127) << 23;
    return sum * std::bit_cast<V>(power);
}

/// exp of one float: the same bits as in a vector.
inline float exp(float x) { return exp<4>(simd::Vector<float, 4>{x, x, x, x})[0]; }

/// y = 1 / (1 + exp(-x)) for n elements. The last few fill up a vector of their own, so that an element's bits do not
/// depend on its place.
template <class T>
void sigmoid(const T* x, T* y, std::size_t n) {
    if constexpr (std::is_same_v<T, float>) {
        constexpr std::size_t lanes = simd::lanes<float>;
        const auto of = [](simd::Vector<float> v) { return simd::reciprocal(1.0F + exp<simd::lanes<float>>(-v)); };
        std::size_t i = 0;
        for (; i + lanes <= n; i += lanes) simd::store(y + i, of(simd::load<simd::Vector<float>>(x + i)));
        float last[lanes] = {};
        std::copy(x + i, x + n, last);
        simd::store(last, of(simd::load<simd::Vector<float>>(last)));
        std::copy_n(last, n - i, y + i);
    } else {
        for (std::size_t i = 0; i < n; ++i) y[i] = 1 / (1 + exp(-x[i]));
    }
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
