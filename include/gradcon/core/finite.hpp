#pragma once

#include "gradcon/core/instruction_set.hpp"

#include <bit>
#include <cstdint>

// Tests that look at the bits, so that -ffast-math cannot assume their answer.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Whether the number is neither infinite nor NaN.
inline bool is_finite(double value) {
    constexpr std::uint64_t exponent = 0x7FF0'0000'0000'0000U;
    return (std::bit_cast<std::uint64_t>(value) & exponent) != exponent;
}

inline bool is_nan(double value) {
    constexpr std::uint64_t infinity_without_sign = 0xFFE0'0000'0000'0000U;
    return (std::bit_cast<std::uint64_t>(value) << 1) > infinity_without_sign;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
