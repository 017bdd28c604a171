#pragma once

#include "gradcon/kernels/cosine.hpp"
#include "gradcon/simd.hpp"

#include <cstddef>
#include <type_traits>

// What becomes of a weight gradient's tile while it is still in registers. A reduction is called as
// reduction(offset, vector) with the elements offset, offset + 1, ... of the gradient, each element once.
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
    T* gradient;

    template <class V>
    void operator()(std::ptrdiff_t offset, const V& tile) {
        simd::store(gradient + offset, simd::load<V>(gradient + offset) + tile);
    }
    void flush() {}
};

/// <reference, gradient> and |gradient|^2 of one sample, whose gradient is never stored.
template <class T>
class DotWithReference {
  public:
    explicit DotWithReference(const T* reference) : reference_(reference) {}

    template <class V>
    void operator()(std::ptrdiff_t offset, const V& tile) {
        const V reference = simd::load<V>(reference_ + offset);
        if constexpr (std::is_same_v<V, simd::Vector<T>>) {
            dots_ += reference * tile;
            squares_ += tile * tile;
        } else {
            const V products = reference * tile, squares = tile * tile;
            constexpr int lanes = sizeof(V) / sizeof(T);
            sum_.dot += double{simd::sum_of_lanes<T, lanes>(products)};
            sum_.squared_norm += double{simd::sum_of_lanes<T, lanes>(squares)};
        }
    }

    /// Empties the vector sums into double; called often enough that they stay short.
    void flush() {
        sum_.dot += double{simd::sum_of_lanes<T, simd::lanes<T>>(dots_)};
        sum_.squared_norm += double{simd::sum_of_lanes<T, simd::lanes<T>>(squares_)};
        dots_ = squares_ = simd::Vector<T>{};
    }

    DotAndNorm sum() const { return sum_; }

  private:
    const T* reference_;
    simd::Vector<T> dots_{}, squares_{};
    DotAndNorm sum_;
};

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
