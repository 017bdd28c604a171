#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>

// What a loss is. It compares reconstructions y with images t, both n x height x width x channels. A batch is worked on
// in blocks of whole images, so each function takes a block and the number of pixel values of the whole batch,
// `elements`. The loss of the batch is the sum of its blocks' sums, divided by `elements`.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A loss l:
///   sum(y, t)                                                  -> the block's share of l times `elements`, in double
///   gradient(y, t, elements, storage)                          -> dy = dl/dy, in storage
///   gradient_tangent(y, t, y_dot, elements, storage)           -> dy_dot, the derivative of dy along y_dot
/// An image's values must not depend on the other images of its block.
template <class L, class T = float>
concept Loss = std::copyable<L> && requires(const L& loss, Batch<T> y, Tensor<T, 4>& storage) {
    { loss.sum(y, y) } -> std::convertible_to<double>;
    { loss.gradient(y, y, std::size_t{1}, storage) } -> std::convertible_to<Batch<T>>;
    { loss.gradient_tangent(y, y, y, std::size_t{1}, storage) } -> std::convertible_to<Batch<T>>;
};

/// static_assert(check_loss<MyLoss>()): says which part of a loss is missing, and what it must look like.
template <class L, class T = float>
constexpr bool check_loss() {
    static_assert(
        requires(const L& loss, Batch<T> y) {
            { loss.sum(y, y) } -> std::convertible_to<double>;
        },
        "the loss lacks `double sum(Batch<T> y, Batch<T> t) const`");
    static_assert(
        requires(const L& loss, Batch<T> y, Tensor<T, 4>& s) {
            { loss.gradient(y, y, std::size_t{1}, s) } -> std::convertible_to<Batch<T>>;
        },
        "the loss lacks `Batch<T> gradient(Batch<T> y, Batch<T> t, std::size_t elements, Tensor<T, 4>& storage) "
        "const`");
    static_assert(
        requires(const L& loss, Batch<T> y, Tensor<T, 4>& s) {
            { loss.gradient_tangent(y, y, y, std::size_t{1}, s) } -> std::convertible_to<Batch<T>>;
        },
        "the loss lacks `Batch<T> gradient_tangent(Batch<T> y, Batch<T> t, Batch<T> y_dot, std::size_t elements, "
        "Tensor<T, 4>& storage) const`");
    return Loss<L, T>;
}

/// Does a loss see y and t only as y - t? Then dl/dt = -dl/dy, which the attribution of a score to pixels needs
/// (scoring/attribution.hpp). A loss says so by `static constexpr bool is_of_difference = true`.
template <class L>
constexpr bool is_of_difference() {
    if constexpr (requires { L::is_of_difference; }) return L::is_of_difference;
    else return false;
}

/// The mean of (y - t)^2 over all pixel values.
struct MeanSquaredError {
    static constexpr bool is_of_difference = true;

    /// sum (y - t)^2, in double
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
    static Batch<T> gradient_tangent(Batch<T>, Batch<T>, Batch<T> y_dot, std::size_t elements, Tensor<T, 4>& storage) {
        const auto dy_dot = reserve(storage, y_dot.shape());
        const T scale = static_cast<T>(2.0 / static_cast<double>(elements));
        for (std::size_t i = 0, n = y_dot.size(); i < n; ++i) dy_dot.data()[i] = scale * y_dot.data()[i];
        return dy_dot;
    }
};

/// The mean of |y - t| over all pixel values: large errors weigh less than in the mean squared error. Its gradient is
/// constant between the kinks, so the second-order term gets nothing from the loss itself (dy_dot = 0).
struct L1Loss {
    static constexpr bool is_of_difference = true;

    /// sum |y - t|, in double
    template <class T>
    static double sum(Batch<T> y, Batch<T> t) {
        double total = 0;
        for (std::size_t i = 0, n = y.size(); i < n; ++i) total += std::abs(double{y.data()[i]} - double{t.data()[i]});
        return total;
    }

    /// dy = sign(y - t) / elements, 0 where y = t
    template <class T>
    static Batch<T> gradient(Batch<T> y, Batch<T> t, std::size_t elements, Tensor<T, 4>& storage) {
        const auto dy = reserve(storage, y.shape());
        const T scale = static_cast<T>(1.0 / static_cast<double>(elements));
        for (std::size_t i = 0, n = y.size(); i < n; ++i) {
            const T difference = y.data()[i] - t.data()[i];
            dy.data()[i] = difference > 0 ? scale : difference < 0 ? -scale : T{0};
        }
        return dy;
    }

    /// dy_dot = 0
    template <class T>
    static Batch<T> gradient_tangent(Batch<T> y, Batch<T>, Batch<T>, std::size_t, Tensor<T, 4>& storage) {
        const auto dy_dot = reserve(storage, y.shape());
        std::fill_n(dy_dot.data(), dy_dot.size(), T{0});
        return dy_dot;
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
