#pragma once

#include "gradcon/simd.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels {

inline double exp(double x) { return std::exp(x); }

/// exp(x) to a relative error of 1.5e-7 for x in [-87, 88]; beyond, its value at that end. Without branches and library
/// calls, so that a loop over it becomes vector code. With n = round(x / ln 2) and r = x - n ln 2: exp(x) = 2^n exp(r),
/// where |r| < 0.35 and the series to r^7 / 7! is exact to 6e-9. ln 2 is split, so that n times its first part is
/// exact; that difference must be taken first.
inline float exp(float x) {
    x = std::min(std::max(x, -87.0F), 88.0F);
    const float scaled = x * 1.44269504F;
    const int n = static_cast<int>(x == x ? scaled + (x < 0 ? -0.5F : 0.5F) : 0.0F);
    const float whole = static_cast<float>(n);
    const float r = simd::as_written(x - whole * 0.693359375F) - whole * -2.12194440e-4F;
    float sum = 1.0F / 5040;
    sum = sum * r + 1.0F / 720;
    sum = sum * r + 1.0F / 120;
    sum = sum * r + 1.0F / 24;
    sum = sum * r + 1.0F / 6;
    sum = sum * r + 0.5F;
    sum = sum * r + 1.0F;
    sum = sum * r + 1.0F;
    return sum * std::bit_cast<float>(static_cast<std::uint32_t>(n + 127) << 23);
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
