#pragma once

#include "gradcon/nn/activation.hpp"
#include "gradcon/nn/container.hpp"
#include "gradcon/nn/conv2d.hpp"
#include "gradcon/nn/conv_transpose2d.hpp"
#include "gradcon/nn/group_norm.hpp"
#include "gradcon/nn/linear.hpp"
#include "gradcon/nn/max_pool2d.hpp"
#include "gradcon/nn/reshape.hpp"

#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

template <class... Layers>
class Sequential;

namespace detail {
/// For a variant of layers, the variants of their parameters, packed weights and caches, in the same order.
template <class AnyLayer>
struct ByLayer;
template <class... Layers>
struct ByLayer<std::variant<Layers...>> {
    template <class T>
    using Params = std::variant<typename Layers::template Params<T>...>;
    template <class T>
    using Packed = std::variant<packed_t<Layers, T>...>;
    template <class T>
    using Cache = std::variant<typename Layers::template Cache<T>...>;
    /// The index of a layer, or one past the last for a layer that is not among them.
    template <class L>
    static constexpr std::size_t index = [] {
        std::size_t i = 0;
        static_cast<void>(((std::is_same_v<L, Layers> || (++i, false)) || ...));
        return i;
    }();
    template <class L>
    static constexpr bool has = index<L> < sizeof...(Layers);
};
} // namespace detail

/// Layers one after the other, known at run time (from a model file or from options); itself a layer. It takes the
/// layers that the library ships, except Residual: that would be a chain of chains. Parameters, caches and packed
/// weights are vectors of variants, one entry for each layer.
class Chain : public Container<Chain> {
  public:
    using AnyLayer = std::variant<Linear, Conv2d, ConvTranspose2d, ReLU, LeakyReLU, Sigmoid, Tanh, Flatten, Unflatten,
                                  MaxPool2d, GroupNorm>;

    template <class T>
    struct Params {
        using Scalar = T;
        std::vector<detail::ByLayer<AnyLayer>::Params<T>> layers;

        template <class Self>
        static auto fields(Self& self) {
            return std::tie(self.layers);
        }
        static constexpr std::array<const char*, 1> field_names{""};
    };
    template <class T>
    struct Packed {
        std::vector<detail::ByLayer<AnyLayer>::Packed<T>> layers;
    };
    template <class T>
    struct Cache {
        std::vector<detail::ByLayer<AnyLayer>::Cache<T>> layers;
    };

    Chain() = default;
    explicit Chain(std::vector<AnyLayer> layers) : layers_(std::move(layers)) {}
    /// The layers of a Sequential, if the library ships all of them; see to_chain for the parameters.
    template <class... Layers>
    requires(detail::ByLayer<AnyLayer>::has<Layers>&&...) explicit Chain(const Sequential<Layers...>& sequential) {
        std::apply([&](const auto&... layer) { (layers_.emplace_back(layer), ...); }, sequential.layers());
    }

    const std::vector<AnyLayer>& layers() const { return layers_; }
    std::size_t size() const { return layers_.size(); }

  private:
    friend class Container<Chain>;

    template <class F, class... Parts>
    void each(F&& f, Parts&... parts) const {
        for (std::size_t i = 0; i < size(); ++i) at(i, f, parts...);
    }
    template <class F, class... Parts>
    void each_reversed(F&& f, Parts&... parts) const {
        for (std::size_t i = size(); i-- > 0;) at(i, f, parts...);
    }
    template <class F, class... Parts>
    void at(std::size_t i, F& f, Parts&... parts) const {
        for_kind(i, [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
            f(i, std::get<K>(layers_[i]), std::get<K>(parts.layers[i])...);
        });
    }

    /// Gives `parts` one entry for each layer, of the layer's kind. An entry of that kind keeps its memory.
    template <class Parts>
    void prepare(Parts& parts) const {
        parts.layers.resize(size());
        for (std::size_t i = 0; i < size(); ++i)
            for_kind(i, [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
                if (parts.layers[i].index() != K) parts.layers[i].template emplace<K>();
            });
    }

    /// f(the index of layer i among the kinds, as a constant)
    template <class F>
    void for_kind(std::size_t i, F&& f) const {
        [&]<std::size_t... K>(std::index_sequence<K...>) {
            static_cast<void>(
                ((layers_[i].index() == K && (f(std::integral_constant<std::size_t, K>{}), true)) || ...));
        }
        (std::make_index_sequence<std::variant_size_v<AnyLayer>>{});
    }

    std::vector<AnyLayer> layers_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
