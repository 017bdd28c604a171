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

/// Sums over the elements of one sample's gradient, which is never stored. `Summands` has their number, `count`, and
/// adds what an element gives to each: add(sums, chain, offset of the element, element), to sums[s][chain].
template <class T, class Summands>
class SampleSums {
  public:
    static constexpr bool adds_up = false; // (g + h)^2 is not g^2 + h^2
    static constexpr int count = Summands::count;

    explicit SampleSums(const Summands& summands) : summands_(summands) {}

    /// Four chains of each sum, so that the additions of a tile do not wait for one another.
    template <int Inputs, int Vectors, class V>
    [[gnu::always_inline]] void operator()(std::ptrdiff_t offset, std::ptrdiff_t step,
                                           const V (&tile)[Inputs][Vectors]) {
        constexpr int lanes = sizeof(V) / sizeof(T), chains = 4;
        V parts[count][chains] = {};
#pragma GCC unroll 8
        for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v)
                summands_.add(parts, (i * Vectors + v) % chains, offset + i * step + v * lanes, tile[i][v]);
#pragma GCC unroll 4
        for (int s = 0; s < count; ++s) {
            const V part = (parts[s][0] + parts[s][1]) + (parts[s][2] + parts[s][3]);
            if constexpr (std::is_same_v<V, simd::Vector<T>>) vectors_[s] += part;
            else sums_[s] += double{simd::sum_of_lanes<T, lanes>(part)};
        }
    }

    /// Empties the vector sums into double; called often enough that they stay short.
    void flush() {
        for (int s = 0; s < count; ++s) {
            sums_[s] += double{simd::sum_of_lanes<T, simd::lanes<T>>(vectors_[s])};
            vectors_[s] = simd::Vector<T>{};
        }
    }

  protected:
    Summands summands_;
    simd::Vector<T> vectors_[count]{};
    double sums_[count]{};
};

/// <reference, gradient> and |gradient|^2, for their cosine.
template <class T>
struct DotAndSquare {
    static constexpr int count = 2;
    const T* reference;

    template <class V, int Chains>
    [[gnu::always_inline]] void add(V (&sums)[count][Chains], int chain, std::ptrdiff_t offset, const V& g) const {
        sums[0][chain] += simd::load<V>(reference + offset) * g;
        sums[1][chain] += g * g;
    }
};

template <class T>
struct DotWithReference : SampleSums<T, DotAndSquare<T>> {
    explicit DotWithReference(const T* reference) : SampleSums<T, DotAndSquare<T>>({reference}) {}

    const T* reference() const { return this->summands_.reference; }
    void add(const DotAndNorm& part) {
        this->sums_[0] += part.dot;
        this->sums_[1] += part.squared_norm;
    }
    DotAndNorm sum() const { return {this->sums_[0], this->sums_[1]}; }
};

/// The sum of weight * gradient^2: a norm that counts elements by how little they vary in training (Fisher), say.
template <class T>
struct WeightedSquare {
    static constexpr int count = 1;
    const T* weight;

    template <class V, int Chains>
    [[gnu::always_inline]] void add(V (&sums)[count][Chains], int chain, std::ptrdiff_t offset, const V& g) const {
        sums[0][chain] += simd::load<V>(weight + offset) * g * g;
    }
};

template <class T>
struct WeightedNorm : SampleSums<T, WeightedSquare<T>> {
    explicit WeightedNorm(const T* weight) : SampleSums<T, WeightedSquare<T>>({weight}) {}
    double sum() const { return this->sums_[0]; }
};

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::kernels
