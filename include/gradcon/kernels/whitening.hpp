#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/kernels/cosine.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>

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
/// zero if nothing varies beyond the rounding of `products`. Takes some n x n doubles of memory, and of the order of
/// n^3 operations.
inline std::vector<double> whitening(std::span<const double> mean, std::span<const double> products) {
    const auto n = static_cast<Eigen::Index>(mean.size());
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Matrix covariance = Eigen::Map<const Matrix>(products.data(), n, n);
    const double magnitude = covariance.trace() / static_cast<double>(n); // what variances are differences of
    const Eigen::Map<const Eigen::VectorXd> m(mean.data(), n);
    covariance.triangularView<Eigen::Lower>() -= m * m.transpose();
    const double variance = covariance.trace() / static_cast<double>(n);
    std::vector<double> w(products.size());
    if (!(variance > 1e-12 * magnitude)) return w;
    covariance.diagonal().array() += 0.01 * variance;
    const Eigen::LLT<Matrix> factor(covariance);
    if (factor.info() != Eigen::Success) return w;
    const Matrix inverse = factor.matrixL().solve(Matrix::Identity(n, n));
    for (Eigen::Index i = 0; i < n; ++i)
        for (Eigen::Index j = 0; j <= i; ++j) w[static_cast<std::size_t>(i * n + j)] = inverse(i, j);
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
