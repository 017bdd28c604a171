#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"

#include <cstddef>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The mean over all `elements` of a batch of (y - t)^2. A batch is worked on in parts, so that the functions take a
/// part and the number of elements of the whole. Shapes of y, t and the results are equal.
struct MeanSquaredError {
    /// The part's share of the loss times `elements`: sum (y - t)^2, in double.
    template <class T>
    static double sum(Batch<T> y, Batch<T> t) {
        constexpr std::size_t width = 8; // independent sums, so that the additions overlap
        double sums[width] = {};
        const std::size_t n = y.size();
        std::size_t i = 0;
        for (; i + width <= n; i += width)
            for (std::size_t k = 0; k < width; ++k) {
                const double d = double{y.data()[i + k]} - double{t.data()[i + k]};
                sums[k] += d * d;
            }
        double total = 0;
        for (; i < n; ++i) {
            const double d = double{y.data()[i]} - double{t.data()[i]};
            total += d * d;
        }
        for (const double s : sums) total += s;
        return total;
    }

    /// dy = 2 (y - t) / elements
    template <class T>
    static Batch<T> gradient(Batch<T> y, Batch<T> t, std::size_t elements, Tensor<T, 4>& storage) {
        const auto dy = reserve(storage, y.shape());
        const T scale = static_cast<T>(2.0 / static_cast<double>(elements));
        for (std::size_t i = 0, n = y.size(); i < n; ++i) dy.data()[i] = scale * (y.data()[i] - t.data()[i]);
        return dy;
    }

    /// dy_dot = 2 y_dot / elements
    template <class T>
    static Batch<T> gradient_tangent(Batch<T> y_dot, std::size_t elements, Tensor<T, 4>& storage) {
        const auto dy_dot = reserve(storage, y_dot.shape());
        const T scale = static_cast<T>(2.0 / static_cast<double>(elements));
        for (std::size_t i = 0, n = y_dot.size(); i < n; ++i) dy_dot.data()[i] = scale * y_dot.data()[i];
        return dy_dot;
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
