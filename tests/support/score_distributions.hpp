#pragma once

// Distributions of scores to draw from, and how far frequencies may lie from their probabilities.
#include "special_values.hpp"

#include <gradcon/core/random.hpp>

#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace score_distributions {

using Values = std::vector<double>;
inline constexpr double smallest = std::numeric_limits<double>::min();

struct Distribution {
    std::string name;
    bool has_ties;
    std::function<double(gradcon::Rng&)> draw;
};

inline const std::vector<Distribution> distributions{
    {"normal", false, gradcon::standard_normal},
    {"heavy tails", false,
     [](gradcon::Rng& rng) { return gradcon::standard_normal(rng) / gradcon::standard_normal(rng); }},
    {"four levels", true, [](gradcon::Rng& rng) { return std::floor(std::abs(2 * gradcon::standard_normal(rng))); }},
    {"mostly 0", true,
     [](gradcon::Rng& rng) { return gradcon::random_index(rng, 20) ? 0 : gradcon::uniform(rng, 0, 1); }},
    {"constant", true, [](gradcon::Rng&) { return 3.0; }},
};

inline Values draws(const Distribution& distribution, std::size_t count, gradcon::Rng& rng) {
    Values values(count);
    for (double& value : values) value = distribution.draw(rng);
    return values;
}

/// What `count` of `rounds` independent events may differ from its mean by, each having that probability: 4.5 standard
/// deviations, beyond which it is with probability 1e-5.
inline double reach(double probability, std::size_t rounds) {
    return 4.5 * std::sqrt(static_cast<double>(rounds) * probability * (1 - probability));
}

/// A mean with the same bound, from the deviation of the values.
struct Mean {
    double sum = 0, squares = 0, count = 0;

    void add(double value) {
        sum += value;
        squares += value * value;
        ++count;
    }
    double value() const { return sum / count; }
    double reach() const { return 4.5 * std::sqrt((squares / count - value() * value()) / count); }
};

} // namespace score_distributions
