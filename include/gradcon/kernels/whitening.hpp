#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/kernels/cosine.hpp"

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

// The Mahalanobis distance of a vector z from a distribution with mean m and covariance C = L L':
// sqrt((z - m)' C^-1 (z - m)) = |W (z - m)| with W = L^-1, a lower triangle.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// sum += z and products += z z' for each z of `codes`, one after the other: of the lower triangle's rows `first`,
/// `first + step`, ... only, so that threads can share the rows of one matrix.
/// @param codes n elements each  @param sum n elements  @param products n x n, row after row
template <class T>
void add_outer_squares(std::span<const T> codes, std::size_t first, std::size_t step, std::span<double> sum,
                       std::span<double> products) {
    const std::size_t n = sum.size();
    for (std::size_t i = first; i < n; i += step)
        for (std::size_t at = 0; at < codes.size(); at += n) {
            const double value = codes[at + i];
            sum[i] += value;
            for (std::size_t j = 0; j <= i; ++j) products[i * n + j] += value * double{codes[at + j]};
        }
}

/// W, n x n, row after row, from the mean of z and that of z z' (its lower triangle). A hundredth of the mean variance
/// is added to each variance: fewer samples than elements, or elements that never change, would have no inverse. All
/// zero if nothing varies beyond the rounding of `products`. Takes n x n doubles of memory beside the result, and of
/// the order of n^3 operations.
inline std::vector<double> whitening(std::span<const double> mean, std::span<const double> products) {
    const std::size_t n = mean.size();
    std::vector<double> w(n * n), factor(n * n); // factor: C, then L in its place
    double magnitude = 0, variance = 0;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) factor[i * n + j] = products[i * n + j] - mean[i] * mean[j];
        magnitude += products[i * n + i] / static_cast<double>(n); // what variances are differences of
        variance += factor[i * n + i] / static_cast<double>(n);
    }
    if (!(variance > 1e-12 * magnitude)) return w;
    const auto row = [n](std::vector<double>& matrix, std::size_t i) { return std::span(matrix).subspan(i * n, n); };
    for (std::size_t i = 0; i < n; ++i) { // Cholesky's decomposition, row by row
        const auto l = row(factor, i);
        l[i] += 0.01 * variance;
        for (std::size_t j = 0; j < i; ++j) {
            const auto other = row(factor, j);
            l[j] = (l[j] - dot(l.first(j), other.first(j))) / other[j];
        }
        l[i] = std::sqrt(l[i] - dot(l.first(i), l.first(i)));
        if (!(l[i] > 0)) return std::vector<double>(n * n);
        const auto inverse = row(w, i); // L W = 1, solved for row i of W
        for (std::size_t j = 0; j < i; ++j) {
            const auto other = row(w, j);
            for (std::size_t k = 0; k <= j; ++k) inverse[k] -= l[j] * other[k];
        }
        inverse[i] = 1;
        for (std::size_t k = 0; k <= i; ++k) inverse[k] /= l[i];
    }
    return w;
}

/// |W (z - mean)|. @param centred room for z - mean
template <class T>
double mahalanobis(std::span<const T> whitening, std::span<const double> mean, std::span<const T> z,
                   AlignedVector<T>& centred) {
    const std::size_t n = z.size();
    centred.resize(n);
    for (std::size_t i = 0; i < n; ++i) centred[i] = static_cast<T>(double{z[i]} - mean[i]);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double value = dot(whitening.subspan(i * n, i + 1), std::span<const T>(centred).first(i + 1));
        sum += value * value;
    }
    return std::sqrt(sum);
}

/// slope += factor * W' W (z - mean): for the gradient of d = |W (z - mean)|, which is W' W (z - mean) / d.
/// @param centred z - mean
template <class T>
void add_mahalanobis_gradient(std::span<const T> whitening, std::span<const T> centred, double factor,
                              std::span<double> slope) {
    const std::size_t n = centred.size();
    for (std::size_t i = 0; i < n; ++i) {
        const auto row = whitening.subspan(i * n, i + 1);
        const double value = factor * dot(row, centred.first(i + 1));
        for (std::size_t j = 0; j <= i; ++j) slope[j] += value * double{row[j]};
    }
}

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
