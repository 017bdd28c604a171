#pragma once

// Vectors of the instruction set.
#include "gradcon/core/instruction_set.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace simd {

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
inline constexpr std::size_t vector_bytes = 64, vector_registers = 32;
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr std::size_t vector_bytes = 32, vector_registers = 16;
#elif defined(__aarch64__)
inline constexpr std::size_t vector_bytes = 16, vector_registers = 32;
#else // SSE2; elsewhere the compiler makes four scalar operations of one
inline constexpr std::size_t vector_bytes = 16, vector_registers = 16;
#endif

/// Values of type T in one vector register.
template <class T>
inline constexpr int lanes = static_cast<int>(vector_bytes / sizeof(T));

template <class T, int Lanes>
struct VectorOf {
    // NOLINTNEXTLINE(modernize-use-using): with `using` the attribute of a dependent size is lost
    typedef T type __attribute__((vector_size(sizeof(T) * Lanes)));
};
template <class T>
struct VectorOf<T, 1> {
    using type = T;
};

/// A vector of `Lanes` values with the arithmetic operators of its element type; with one lane, the element itself.
template <class T, int Lanes = lanes<T>>
using Vector = typename VectorOf<T, Lanes>::type;

/// Reads a vector from any address (no alignment needed).
template <class V, class T>
[[gnu::always_inline]] inline V load(const T* from) {
    V v;
    std::memcpy(&v, from, sizeof(V));
    return v;
}

template <class V, class T>
[[gnu::always_inline]] inline void store(T* to, const V& v) {
    std::memcpy(to, &v, sizeof(V));
}

/// v itself, as a whole: -ffast-math may not take the expression behind it apart and regroup it.
template <class V>
[[gnu::always_inline]] inline V as_written(V v) {
#if __has_builtin(__builtin_assoc_barrier)
    return __builtin_assoc_barrier(v);
#elif __has_builtin(__arithmetic_fence) && defined(__x86_64__)
    return __arithmetic_fence(v);
#else
    return v;
#endif
}

/// The square root of each lane. One instruction, where std::sqrt in a loop minds errno and stays scalar.
template <class V>
[[gnu::always_inline]] inline V sqrt(V v) {
    if constexpr (std::is_floating_point_v<V>) {
        return std::sqrt(v);
    } else {
        constexpr bool single = std::is_same_v<std::remove_cvref_t<decltype(v[0])>, float>;
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
        // All lanes of the masked form: g++ 12 warns of the plain one's own undefined operand.
        if constexpr (sizeof(V) == 64 && single)
            return std::bit_cast<V>(_mm512_maskz_sqrt_ps(0xFFFF, std::bit_cast<__m512>(v)));
        if constexpr (sizeof(V) == 64 && !single)
            return std::bit_cast<V>(_mm512_maskz_sqrt_pd(0xFF, std::bit_cast<__m512d>(v)));
#endif
#if defined(__AVX__)
        if constexpr (sizeof(V) == 32 && single) return std::bit_cast<V>(_mm256_sqrt_ps(std::bit_cast<__m256>(v)));
        if constexpr (sizeof(V) == 32 && !single) return std::bit_cast<V>(_mm256_sqrt_pd(std::bit_cast<__m256d>(v)));
#endif
#if defined(__SSE2__)
        if constexpr (sizeof(V) == 16 && single) return std::bit_cast<V>(_mm_sqrt_ps(std::bit_cast<__m128>(v)));
        if constexpr (sizeof(V) == 16 && !single) return std::bit_cast<V>(_mm_sqrt_pd(std::bit_cast<__m128d>(v)));
#elif defined(__aarch64__)
        if constexpr (sizeof(V) == 16 && single) return std::bit_cast<V>(vsqrtq_f32(std::bit_cast<float32x4_t>(v)));
        if constexpr (sizeof(V) == 16 && !single) return std::bit_cast<V>(vsqrtq_f64(std::bit_cast<float64x2_t>(v)));
#endif
        for (std::size_t i = 0; i < sizeof(V) / sizeof(v[0]); ++i) v[i] = std::sqrt(v[i]);
        return v;
    }
}

/// 1 / v. Under -ffast-math g++ takes an estimate for a division of vectors, by which 1 / 2 is less than a half; one
/// more step of Newton's iteration makes it a half again.
template <class V>
[[gnu::always_inline]] inline V reciprocal(V v) {
    const V quotient = 1.0F / v;
#if defined(__FAST_MATH__)
    const V estimate = as_written(quotient);
    return estimate + as_written(estimate * (1.0F - as_written(v * estimate)));
#else
    return quotient;
#endif
}

/// Sums vectors lane by lane in double.
template <class T>
class WideSum {
    static constexpr int group = lanes<T> < 4 ? lanes<T> : 4, groups = lanes<T> / group;
    using Part = Vector<T, group>;
    using Wide = Vector<double, group>;

  public:
    [[gnu::always_inline]] void add(const Vector<T>& v) {
        T values[static_cast<std::size_t>(lanes<T>)];
        store(values, v);
        for (int g = 0; g < groups; ++g) sums_[g] += __builtin_convertvector(load<Part>(values + g * group), Wide);
    }
    double sum() const {
        Wide all = sums_[0];
        for (int g = 1; g < groups; ++g) all += sums_[g];
        double total = 0;
        for (int i = 0; i < group; ++i) total += all[i];
        return total;
    }

  private:
    Wide sums_[static_cast<std::size_t>(groups)] = {};
};

/// The sum of all lanes, lowest first.
template <class T, int Lanes>
T sum_of_lanes(const Vector<T, Lanes>& v) {
    T values[static_cast<std::size_t>(Lanes)];
    std::memcpy(values, &v, sizeof(values));
    T sum = values[0];
    for (int i = 1; i < Lanes; ++i) sum += values[i];
    return sum;
}

} // namespace simd
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
