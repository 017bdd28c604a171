#pragma once

#include "gradcon/core/instruction_set.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>
#include <span>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The generator behind every random number. The standard fixes its sequence, but not that of its distributions, so the
/// draws below are our own: a seed gives the same numbers with every compiler.
using Rng = std::mt19937_64;

/// A number drawn uniformly from [low, high); 53 random bits.
inline double uniform(Rng& rng, double low, double high) {
    return low + (high - low) * (static_cast<double>(rng() >> 11) * 0x1.0p-53);
}

/// An integer drawn uniformly from 0 .. count-1, without bias. @pre count > 0
inline std::size_t random_index(Rng& rng, std::size_t count) {
    const std::uint64_t n = count, unfair = (0 - n) % n; // 2^64 mod n values at the bottom are drawn again
    std::uint64_t draw = rng();
    while (draw < unfair) draw = rng();
    return draw % n;
}

/// A number drawn from the standard normal distribution (Box and Muller).
inline double standard_normal(Rng& rng) {
    const double radius = std::sqrt(-2 * std::log(1 - uniform(rng, 0, 1)));
    return radius * std::cos(2 * std::numbers::pi * uniform(rng, 0, 1));
}

/// Puts the elements in uniformly random order (Fisher and Yates).
template <class T>
void shuffle(std::span<T> values, Rng& rng) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random_index(rng, i)]);
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
