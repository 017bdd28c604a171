#pragma once

#include "gradcon/nn/container.hpp"

#include <cstddef>
#include <tuple>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Layers one after the other, known at compile time; itself a layer. Parameters are named by the layers' positions:
/// "0.weight", "2.weight", ... For a network known only at run time, see Chain.
template <class... Layers>
class Sequential : public Container<Sequential<Layers...>> {
    template <class Tuple>
    struct Parts {
        Tuple layers;

        template <class Self>
        static auto fields(Self& self) {
            return std::apply([](auto&... parts) { return std::tie(parts...); }, self.layers);
        }
    };

  public:
    template <class T>
    struct Params : Parts<std::tuple<typename Layers::template Params<T>...>> {
        using Scalar = T;
    };
    template <class T>
    struct Packed {
        std::tuple<packed_t<Layers, T>...> layers;
    };
    template <class T>
    struct Cache {
        std::tuple<typename Layers::template Cache<T>...> layers;
    };

    explicit Sequential(Layers... layers) : layers_(std::move(layers)...) {
        static_assert(sizeof...(Layers) > 0, "Sequential needs at least one layer");
        static_assert((check_layer<Layers>() && ...));
    }

    const std::tuple<Layers...>& layers() const { return layers_; }
    static constexpr std::size_t size() { return sizeof...(Layers); }

  private:
    friend class Container<Sequential>;

    template <class Parts>
    static void prepare(Parts&) {} // a tuple always has its entries

    template <class F, class... Parts>
    void each(F&& f, Parts&... parts) const {
        [&]<std::size_t... I>(std::index_sequence<I...>) { (at<I>(f, parts...), ...); }
        (std::make_index_sequence<size()>{});
    }
    template <class F, class... Parts>
    void each_reversed(F&& f, Parts&... parts) const {
        [&]<std::size_t... I>(std::index_sequence<I...>) { (at<size() - 1 - I>(f, parts...), ...); }
        (std::make_index_sequence<size()>{});
    }
    template <std::size_t I, class F, class... Parts>
    void at(F& f, Parts&... parts) const {
        f(std::integral_constant<std::size_t, I>{}, std::get<I>(layers_), std::get<I>(parts.layers)...);
    }

    std::tuple<Layers...> layers_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
