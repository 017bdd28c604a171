#pragma once

#include "gradcon/kernels/cosine.hpp"
#include "gradcon/simd.hpp"

#include <cstddef>
#include <type_traits>

// What becomes of a weight gradient's tile while it is still in registers. A reduction is called as
// reduction(offset, step, tile): tile[i][v] holds the elements of the gradient from offset + i * step + v * lanes on.
// Each element comes once; or in parts, if the reduction adds_up.
namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels {

/// What scoring asks of one parameter tensor of one sample: nothing if `reference` is null; else <reference, gradient>
/// and |gradient|^2. The reference has the tensor's layout.
template <class T>
struct Reduction {
    const T* reference = nullptr;
    DotAndNorm sum{};
};

/// gradient += tile: the batch gradient of training.
template <class T>
struct AddTo {
    static constexpr bool adds_up = true;
    T* gradient;

    template <int Inputs, int Vectors, class V>
    [[gnu::always_inline]] void operator()(std::ptrdiff_t offset, std::ptrdiff_t step,
                                           const V (&tile)[Inputs][Vectors]) {
#pragma GCC unroll 8
        for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) {
                T* to = gradient + offset + i * step + v * static_cast<std::ptrdiff_t>(sizeof(V) / sizeof(T));
                simd::store(to, simd::load<V>(to) + tile[i][v]);
            }
    }
    void flush() {}
};

/// <reference, gradient> and |gradient|^2 of one sample, whose gradient is never stored.
template <class T>
class DotWithReference {
  public:
    static constexpr bool adds_up = false;
    explicit DotWithReference(const T* reference) : reference_(reference) {}

    /// Four sums of each kind, so that the additions of a tile do not wait for one another.
    template <int Inputs, int Vectors, class V>
    [[gnu::always_inline]] void operator()(std::ptrdiff_t offset, std::ptrdiff_t step,
                                           const V (&tile)[Inputs][Vectors]) {
        constexpr int lanes = sizeof(V) / sizeof(T);
        V dots[4] = {}, squares[4] = {};
#pragma GCC unroll 8
        for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) {
                const V t = tile[i][v];
                dots[(i * Vectors + v) % 4] += simd::load<V>(reference_ + offset + i * step + v * lanes) * t;
                squares[(i * Vectors + v) % 4] += t * t;
            }
        const V dot = (dots[0] + dots[1]) + (dots[2] + dots[3]);
        const V square = (squares[0] + squares[1]) + (squares[2] + squares[3]);
        if constexpr (std::is_same_v<V, simd::Vector<T>>) {
            dots_ += dot;
            squares_ += square;
        } else {
            add({double{simd::sum_of_lanes<T, lanes>(dot)}, double{simd::sum_of_lanes<T, lanes>(square)}});
        }
    }

    void add(const DotAndNorm& part) {
        sum_.dot += part.dot;
        sum_.squared_norm += part.squared_norm;
    }
    const T* reference() const { return reference_; }

    /// Empties the vector sums into double; called often enough that they stay short.
    void flush() {
        add({double{simd::sum_of_lanes<T, simd::lanes<T>>(dots_)},
             double{simd::sum_of_lanes<T, simd::lanes<T>>(squares_)}});
        dots_ = squares_ = simd::Vector<T>{};
    }

    DotAndNorm sum() const { return sum_; }

  private:
    const T* reference_;
    simd::Vector<T> dots_{}, squares_{};
    DotAndNorm sum_;
};

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
