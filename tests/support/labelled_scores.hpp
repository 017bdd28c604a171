#pragma once

// Scores with labels, and what metrics of them are by definition.
#include "special_values.hpp"

#include <gradcon/core/random.hpp>
#include <gradcon/evaluation/intervals.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace labelled {

using Values = std::vector<double>;
using Labels = std::vector<std::uint8_t>;

/// Within tolerance (1 + |value|).
inline doctest::Approx about(double value, double tolerance = 1e-13) {
    return doctest::Approx(value).epsilon(tolerance);
}

/// 1 for an anomaly above a normal sample, one half for a tie.
inline double order(double anomaly, double normal) { return anomaly > normal ? 1 : anomaly == normal ? 0.5 : 0; }

/// The definition: of all pairs of an anomaly and a normal sample, the share in the right order, ties one half.
inline double by_pairs(const Values& scores, const Labels& anomalous) {
    double right = 0, pairs = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
        for (std::size_t j = 0; j < scores.size(); ++j)
            if (anomalous[i] && !anomalous[j]) {
                right += order(scores[i], scores[j]);
                ++pairs;
            }
    return right / pairs;
}

struct Samples {
    Values first, second;
    Labels anomalous;

    operator gradcon::PairedScores() const { return {first, second, anomalous}; }
};

/// Few levels, many ties; `least` samples of each class or more.
inline Samples random_ties(gradcon::Rng& rng, std::size_t least) {
    const std::size_t n = 2 * least + gradcon::random_index(rng, 60), levels = 1 + gradcon::random_index(rng, 20);
    const auto level = [&] { return static_cast<double>(gradcon::random_index(rng, levels)); };
    Samples samples;
    for (std::size_t i = 0; i < n; ++i) {
        samples.first.push_back(level());
        samples.second.push_back(gradcon::random_index(rng, 3) ? samples.first[i] : level());
        samples.anomalous.push_back(static_cast<std::uint8_t>(i < 2 * least ? i % 2 : gradcon::random_index(rng, 2)));
    }
    return samples;
}

} // namespace labelled
