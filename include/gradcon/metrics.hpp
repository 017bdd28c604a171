#pragma once

#include "gradcon/error.hpp"
#include "gradcon/finite.hpp"
#include "gradcon/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// The area under the ROC curve: the probability that a random anomaly scores higher than a random normal sample, ties
/// counting one half. Exact, by ranks (Mann and Whitney); infinite scores are fine.
/// @param anomalous for each score: is the sample an anomaly (nonzero) or normal (0)?
/// @throws ValueError when sizes differ, a score is NaN, or one of the two classes is empty
inline double auroc(std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    if (scores.size() != anomalous.size())
        throw ValueError(
            message("auroc: as many labels as scores are needed; given: ", anomalous.size(), " and ", scores.size()));
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (is_nan(scores[i])) throw ValueError(message("auroc: score ", i, " is not a number"));
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });

    double anomalies = 0, rank_sum = 0; // ranks from 1, tied scores sharing the mean of theirs
    for (std::size_t first = 0; first < order.size();) {
        std::size_t last = first;
        while (last + 1 < order.size() && !(scores[order[first]] < scores[order[last + 1]])) ++last;
        const double rank = 0.5 * static_cast<double>(first + last) + 1;
        for (; first <= last; ++first)
            if (anomalous[order[first]]) {
                ++anomalies;
                rank_sum += rank;
            }
    }
    const double normals = static_cast<double>(scores.size()) - anomalies;
    if (anomalies == 0 || normals == 0)
        throw ValueError(message("auroc: needs anomalies and normal samples; given: ", anomalies, " and ", normals));
    return (rank_sum - anomalies * (anomalies + 1) / 2) / (anomalies * normals);
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
