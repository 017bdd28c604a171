#pragma once

#include "gradcon/core/random.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/kernels/reduce.hpp"
#include "gradcon/tree/tree.hpp"

#include <array>
#include <concepts>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>

// What a layer is. A layer is a stateless value: sizes and options. Its parameters are a tree of tensors; what its
// passes must remember lies in a cache that the caller owns. Views that a pass returns point into that cache (or into
// the caller's input) and stay valid until the cache's next pass.
//
// Dropout and BatchNorm cannot be layers. Passes see no random numbers and no mode (training or scoring), and what a
// layer does to one sample must not depend on the others in its batch. GroupNorm normalises each sample by itself.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The parameters of a layer that has none.
struct NoParams {
    template <class Self>
    static auto fields(Self&) {
        return std::tie();
    }
};

/// weight and bias of a Linear (Rank 2), convolution (Rank 4) or GroupNorm (Rank 1) layer.
template <class T, std::size_t Rank>
struct WeightAndBias {
    Tensor<T, Rank> weight;
    Tensor<T, 1> bias;

    template <class Self>
    static auto fields(Self& self) {
        return std::tie(self.weight, self.bias);
    }
    static constexpr std::array<const char*, 2> field_names{"weight", "bias"};
};

namespace detail {
template <class L, class T>
struct PackedOf {
    using type = typename L::template Params<T>;
};
template <class L, class T>
requires requires { typename L::template Packed<T>; }
struct PackedOf<L, T> {
    using type = typename L::template Packed<T>;
};
} // namespace detail

/// The form in which a layer's passes read parameters: L::Packed<T> where the layer has one (weights in the order of
/// its kernels), else Params<T> itself. It is made anew, by pack, whenever the parameters change.
template <class L, class T>
using packed_t = typename detail::PackedOf<L, T>::type;

template <class L, class T = float>
concept HasParams = TensorTree<typename L::template Params<T>> && std::copyable<typename L::template Params<T>>;

template <class L, class T = float>
concept HasCache = std::default_initializable<typename L::template Cache<T>>;

template <class L, class T = float>
concept HasInit = HasParams<L, T> && requires(const L& layer, Rng& rng) {
    { layer.template init<T>(rng) } -> std::same_as<typename L::template Params<T>>;
};

template <class L>
concept HasOutputShape = requires(const L& layer, const Shape& shape) {
    { layer.output_shape(shape) } -> std::same_as<Shape>;
};

template <class L, class T = float>
concept HasForward = requires(const L& layer, const packed_t<L, T>& p, typename L::template Cache<T>& c, Batch<T> x) {
    { layer.forward(p, x, c) } -> std::convertible_to<Batch<T>>;
};

template <class L, class T = float>
concept HasBackward = requires(const L& layer, const packed_t<L, T>& p, typename L::template Cache<T>& c, Batch<T> dy,
                               typename L::template Params<T>& g) {
    { layer.backward(p, c, dy, g) } -> std::convertible_to<Batch<T>>;
};

template <class L, class T = float>
concept HasForwardTangent = requires(const L& layer, const packed_t<L, T>& p, typename L::template Cache<T>& c,
                                     Batch<T> x_dot) {
    { layer.forward_tangent(p, p, c, c, x_dot) } -> std::convertible_to<Batch<T>>;
};

template <class L, class T = float>
concept HasBackwardTangent = requires(const L& layer, const packed_t<L, T>& p, typename L::template Cache<T>& c,
                                      Batch<T> dy_dot, typename L::template Params<T>& g_dot) {
    { layer.backward_tangent(p, p, c, c, dy_dot, g_dot) } -> std::convertible_to<Batch<T>>;
};

// Optional members. A layer without one gets the same result from its other passes, only slower: see passes.hpp.

/// pack(params, packed): writes params in the order in which the passes read them; with a Packed<T> of the layer's own.
template <class L, class T = float>
concept CanPack = requires(const L& layer, const typename L::template Params<T>& params, packed_t<L, T>& packed) {
    layer.pack(params, packed);
};

/// backward_parameters(p, c, dy, g): backward without dx, for a first layer.
template <class L, class T = float>
concept CanSkipInputGradient = requires(const L& layer, const packed_t<L, T>& p, typename L::template Cache<T>& c,
                                        Batch<T> dy, typename L::template Params<T>& g) {
    layer.backward_parameters(p, c, dy, g);
};

/// forward_tangent_parameters(p, p_dot, c, c_dot, x's shape, zeros) -> y_dot: forward_tangent for an x_dot of 0;
/// `zeros` is room for a batch of zeros.
template <class L, class T = float>
concept CanSkipInputTangent = requires(const L& layer, const packed_t<L, T>& p, typename L::template Cache<T>& c,
                                       const Shape& x, Tensor<T, 4>& zeros) {
    { layer.forward_tangent_parameters(p, p, c, c, x, zeros) } -> std::convertible_to<Batch<T>>;
};

/// backward_reduce(p, c, dy, g, r, wants_dx) -> dx: backward of one sample that reduces its gradient (one reduction for
/// each tensor) instead of storing it; `g` is room for a gradient.
template <class L, class T = float>
concept CanReduce = requires(const L& layer, const packed_t<L, T>& p, typename L::template Cache<T>& c, Batch<T> dy,
                             typename L::template Params<T>& g, std::span<kernels::Reduction<T>> r, bool wants_dx) {
    { layer.backward_reduce(p, c, dy, g, r, wants_dx) } -> std::convertible_to<Batch<T>>;
};

namespace detail {
/// A name that both bases of a class have is ambiguous in it, whatever its signature. That tells whether a layer has a
/// member of that name.
struct OptionalMembers {
    int pack, backward_parameters, forward_tangent_parameters, backward_reduce;
};
template <class L>
struct WithOptionalMembers : L, OptionalMembers {};

template <class L>
concept NamesPack = !requires {
    &WithOptionalMembers<L>::pack;
};
template <class L>
concept NamesBackwardParameters = !requires {
    &WithOptionalMembers<L>::backward_parameters;
};
template <class L>
concept NamesForwardTangentParameters = !requires {
    &WithOptionalMembers<L>::forward_tangent_parameters;
};
template <class L>
concept NamesBackwardReduce = !requires {
    &WithOptionalMembers<L>::backward_reduce;
};

/// Refuses optional members of another signature: they would never be called.
template <class L, class T>
constexpr void check_optional_members() {
    if constexpr (!std::is_final_v<L>) {
        static_assert(CanPack<L, T> || !NamesPack<L>,
                      "the layer has pack, but not of this signature: `void pack(const Params<T>& params, Packed<T>& "
                      "packed) const`");
        static_assert(CanSkipInputGradient<L, T> || !NamesBackwardParameters<L>,
                      "the layer has backward_parameters, but not of this signature: `void backward_parameters(const "
                      "Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const`");
        static_assert(CanSkipInputTangent<L, T> || !NamesForwardTangentParameters<L>,
                      "the layer has forward_tangent_parameters, but not of this signature: `Batch<T> "
                      "forward_tangent_parameters(const Packed<T>& p, const Packed<T>& p_dot, Cache<T>& c, Cache<T>& "
                      "c_dot, const Shape& x, Tensor<T, 4>& zeros) const`");
        static_assert(CanReduce<L, T> || !NamesBackwardReduce<L>,
                      "the layer has backward_reduce, but not of this signature: `Batch<T> backward_reduce(const "
                      "Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g, std::span<kernels::Reduction<T>> r, bool "
                      "wants_dx) const`");
    }
}
} // namespace detail

/// A layer f with parameters p:
///   output_shape(shape)                                    the shape of f for a batch of that shape, or a ShapeError
///   init<T>(rng)                                           fresh parameters
///   forward(p, x, c)                              -> y     y = f(p, x); c remembers what the other passes need
///   backward(p, c, dy, g)                         -> dx    g += df'/dp dy, dx = df'/dx dy; c remembers dy
///   forward_tangent(p, p_dot, c, c_dot, x_dot)    -> y_dot the derivative of y along (p_dot, x_dot)
///   backward_tangent(p, p_dot, c, c_dot, dy_dot, g_dot) -> dx_dot   that of backward along the same and dy_dot
/// called in this order; layers sum over the batch, only the loss divides.
template <class L, class T = float>
concept Layer = HasParams<L, T> && HasCache<L, T> && HasInit<L, T> && HasOutputShape<L> && HasForward<L, T> &&
    HasBackward<L, T> && HasForwardTangent<L, T> && HasBackwardTangent<L, T>;

/// static_assert(check_layer<MyLayer>()): says which part of a layer is missing, and what it must look like.
template <class L, class T = float>
constexpr bool check_layer() {
    static_assert(
        requires { typename L::template Params<T>; },
        "the layer lacks `template <class T> struct Params`; a layer without parameters writes `template "
        "<class T> using Params = gradcon::NoParams`");
    static_assert(
        requires { typename L::template Cache<T>; }, "the layer lacks `template <class T> struct Cache`");
    static_assert(HasParams<L, T>,
                  "Params<T> must be a copyable tensor tree: give it `template <class Self> static auto "
                  "fields(Self& s) { return std::tie(s.weight, ...); }`");
    static_assert(HasCache<L, T>, "Cache<T> must be default constructible");
    static_assert(HasInit<L, T>, "`template <class T> Params<T> init(Rng&) const` is missing");
    static_assert(HasOutputShape<L>, "`Shape output_shape(const Shape&) const` is missing");
    static_assert(HasForward<L, T>, "`Batch<T> forward(const Params<T>& p, Batch<T> x, Cache<T>& c) const` is missing");
    static_assert(HasBackward<L, T>,
                  "`Batch<T> backward(const Params<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const` is missing");
    static_assert(HasForwardTangent<L, T>,
                  "forward_tangent is missing: `Batch<T> forward_tangent(const Params<T>& p, const "
                  "Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> x_dot) const`");
    static_assert(HasBackwardTangent<L, T>,
                  "backward_tangent is missing: `Batch<T> backward_tangent(const Params<T>& p, const Params<T>& p_dot, "
                  "Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot, Params<T>& g_dot) const`");
    detail::check_optional_members<L, T>();
    return Layer<L, T>;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
