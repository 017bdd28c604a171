#pragma once

#include "gradcon/core/instruction_set.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

// Our own, since Eigen's decompositions do not survive units of different instruction sets in one program.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// The eigenvalues of a symmetric matrix, descending, and its eigenvectors, row after row in the same order, by
/// Jacobi's rotations. Of the order of 10 n^3 operations.
/// @param a n x n
inline std::pair<std::vector<double>, std::vector<double>> eigenvectors(std::vector<double> a, std::size_t n) {
    std::vector<double> v(n * n);
    for (std::size_t i = 0; i < n; ++i) v[i * n + i] = 1;
    for (int sweep = 0; sweep < 30; ++sweep) {
        double off = 0, diagonal = 0;
        for (std::size_t i = 0; i < n; ++i) {
            diagonal += a[i * n + i] * a[i * n + i];
            for (std::size_t j = 0; j < i; ++j) off += a[i * n + j] * a[i * n + j];
        }
        if (!(off > 1e-24 * diagonal)) break;
        for (std::size_t p = 0; p < n; ++p)
            for (std::size_t q = p + 1; q < n; ++q) {
                const double apq = a[p * n + q], app = a[p * n + p], aqq = a[q * n + q];
                if (!(std::abs(apq) > 1e-17 * std::sqrt(std::abs(app * aqq)))) continue;
                // the rotation by t = tan(angle) that makes a_pq zero
                const double theta = (aqq - app) / (2 * apq);
                const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
                const double c = 1 / std::sqrt(t * t + 1), s = t * c;
                double *row_p = a.data() + p * n, *row_q = a.data() + q * n;
                for (std::size_t k = 0; k < n; ++k) {
                    const double x = row_p[k], y = row_q[k];
                    row_p[k] = c * x - s * y;
                    row_q[k] = s * x + c * y;
                }
                for (std::size_t k = 0; k < n; ++k) {
                    double *x = a.data() + k * n + p, *y = a.data() + k * n + q;
                    const double kept = *x;
                    *x = c * kept - s * *y;
                    *y = s * kept + c * *y;
                }
                double *v_p = v.data() + p * n, *v_q = v.data() + q * n;
                for (std::size_t k = 0; k < n; ++k) {
                    const double x = v_p[k], y = v_q[k];
                    v_p[k] = c * x - s * y;
                    v_q[k] = s * x + c * y;
                }
            }
    }
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t i, std::size_t j) { return a[i * n + i] > a[j * n + j]; });
    std::vector<double> values, vectors;
    for (const std::size_t i : order) {
        values.push_back(a[i * n + i]);
        vectors.insert(vectors.end(), v.begin() + static_cast<std::ptrdiff_t>(i * n),
                       v.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
    }
    return {std::move(values), std::move(vectors)};
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
