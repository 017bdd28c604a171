#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/kernels/cosine.hpp"

#include <cstddef>
#include <span>
#include <type_traits>

// What becomes of a weight gradient's tile while it is still in registers. A reduction is called as
// reduction(offset, step, tile): tile.at[i][v] holds the elements of the gradient from offset + i * step + v * lanes
// on. Each element comes once; or in parts, if the reduction adds_up.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace kernels {

/// What scoring learns about one parameter tensor's gradient g.
struct GradientSums {
    double dot = 0;             // <reference, g>
    double squared_norm = 0;    // |g|^2
    double mean_dot = 0;        // <mean, g>
    double weighted_square = 0; // sum of weight * g^2
};

/// What scoring asks of one parameter tensor of one sample: nothing if `reference` is null; the last two sums if `mean`
/// and `weight` are there. All three have the tensor's layout.
template <class T>
struct Reduction {
    const T* reference = nullptr;
    const T* mean = nullptr;
    const T* weight = nullptr;
    GradientSums sum{};
};

/// The sums of a gradient that is stored.
template <class T>
void reduce(std::span<const T> g, Reduction<T>& r) {
    if (!r.reference) return;
    const auto [product, squared_norm] = dot_and_norm(std::span(r.reference, g.size()), g);
    r.sum = {product, squared_norm, 0, 0};
    if (!r.mean) return;
    r.sum.mean_dot = dot(std::span(r.mean, g.size()), g);
    for (std::size_t i = 0; i < g.size(); ++i)
        r.sum.weighted_square += double{r.weight[i]} * double{g[i]} * double{g[i]};
}

/// A tile of a weight gradient, inputs x channels in vectors.
template <class V, int Inputs, int Vectors>
struct GradientTile {
    V at[static_cast<std::size_t>(Inputs)][static_cast<std::size_t>(Vectors)];
};

/// gradient += tile: the batch gradient of training.
template <class T>
struct AddTo {
    static constexpr bool adds_up = true;
    T* gradient;

    template <int Inputs, int Vectors, class V>
    [[gnu::always_inline]] void operator()(std::ptrdiff_t offset, std::ptrdiff_t step,
                                           const GradientTile<V, Inputs, Vectors>& tile) {
#pragma GCC unroll 8
        for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) {
                T* to = gradient + offset + i * step + v * static_cast<std::ptrdiff_t>(sizeof(V) / sizeof(T));
                simd::store(to, simd::load<V>(to) + tile.at[i][v]);
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
    static constexpr std::size_t count = Summands::count;

    explicit SampleSums(const Summands& summands) : summands_(summands) {}

    /// Four chains of each sum, so that the additions of a tile do not wait for one another.
    template <int Inputs, int Vectors, class V>
    [[gnu::always_inline]] void operator()(std::ptrdiff_t offset, std::ptrdiff_t step,
                                           const GradientTile<V, Inputs, Vectors>& tile) {
        constexpr int lanes = sizeof(V) / sizeof(T), chains = 4;
        V parts[count][std::size_t{chains}] = {};
#pragma GCC unroll 8
        for (int i = 0; i < Inputs; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v)
                summands_.add(parts, (i * Vectors + v) % chains, offset + i * step + v * lanes, tile.at[i][v]);
#pragma GCC unroll 4
        for (std::size_t s = 0; s < count; ++s) {
            const V part = (parts[s][0] + parts[s][1]) + (parts[s][2] + parts[s][3]);
            if constexpr (std::is_same_v<V, simd::Vector<T>>) vectors_[s] += part;
            else sums_[s] += double{simd::sum_of_lanes<T, lanes>(part)};
        }
    }

    /// Empties the vector sums into double; called often enough that they stay short.
    void flush() {
        for (std::size_t s = 0; s < count; ++s) {
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
    static constexpr std::size_t count = 2;
    const T* reference;

    template <class V, std::size_t Chains>
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
    GradientSums sum() const { return {this->sums_[0], this->sums_[1], 0, 0}; }
};

/// The same, to the same bits, and the sums with a profile: see GradientProfile.
template <class T>
struct ProfileSummands {
    static constexpr std::size_t count = 4;
    const T *reference, *mean, *weight;

    template <class V, std::size_t Chains>
    [[gnu::always_inline]] void add(V (&sums)[count][Chains], int chain, std::ptrdiff_t offset, const V& g) const {
        sums[0][chain] += simd::load<V>(reference + offset) * g;
        sums[1][chain] += g * g;
        sums[2][chain] += simd::load<V>(mean + offset) * g;
        sums[3][chain] += simd::load<V>(weight + offset) * g * g;
    }
};

template <class T>
struct ProfileSums : SampleSums<T, ProfileSummands<T>> {
    explicit ProfileSums(const Reduction<T>& r) : SampleSums<T, ProfileSummands<T>>({r.reference, r.mean, r.weight}) {}

    const ProfileSummands<T>& summands() const { return this->summands_; }
    void add(const GradientSums& part) {
        this->sums_[0] += part.dot;
        this->sums_[1] += part.squared_norm;
        this->sums_[2] += part.mean_dot;
        this->sums_[3] += part.weighted_square;
    }
    GradientSums sum() const { return {this->sums_[0], this->sums_[1], this->sums_[2], this->sums_[3]}; }
};

} // namespace kernels
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
