#pragma once

// The only header that multiplies matrices with Eigen.
#include "gradcon/core/simd.hpp"

#ifndef GRADCON_COMPILED
#include <Eigen/Core>
#endif

#include <cstddef>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// c += a' b for row-major a (rows x m), b (rows x n) and c (m x n).
template <class T>
void add_transposed_product(const T* a, const T* b, T* c, std::size_t rows, std::size_t m, std::size_t n);

#ifndef GRADCON_COMPILED
template <class T>
void add_transposed_product(const T* a, const T* b, T* c, std::size_t rows, std::size_t m, std::size_t n) {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto index = [](std::size_t i) { return static_cast<Eigen::Index>(i); };
    const Eigen::Map<const Matrix> left(a, index(rows), index(m)), right(b, index(rows), index(n));
    Eigen::Map<Matrix>(c, index(m), index(n)).noalias() += left.transpose() * right;
}
#endif

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
