#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

/// Resizing along one axis, from `from` pixels to `to`, as a matrix: weights of a triangle over each new pixel, all of
/// them.
inline std::vector<std::vector<double>> dense_matrix(std::size_t from, std::size_t to) {
    std::vector rows(to, std::vector<double>(from));
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    for (std::size_t i = 0; i < to; ++i) {
        for (std::size_t x = 0; x < from; ++x)
            rows[i][x] =
                std::max(0.0, 1 - std::abs(static_cast<double>(x) + 0.5 - (static_cast<double>(i) + 0.5) * scale) /
                                      std::max(1.0, scale));
        const double sum = std::accumulate(rows[i].begin(), rows[i].end(), 0.0);
        for (double& weight : rows[i]) weight /= sum;
    }
    return rows;
}
