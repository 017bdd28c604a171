#pragma once

#include "gradcon/nn/passes.hpp"

#include <cstddef>
#include <span>
#include <tuple>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Layers one after the other, known when compiling; itself a layer. Its parameters are named by the layers' positions:
/// "0.weight", "2.weight", ... For a network known only when running, see Chain.
template <class... Layers>
class Sequential {
    static constexpr std::size_t count = sizeof...(Layers);
    static_assert(count > 0, "Sequential needs at least one layer");

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
    struct Params : Parts<std::tuple<typename Layers::template Params<T>...>> {};
    template <class T>
    struct Packed {
        std::tuple<packed_t<Layers, T>...> layers;
    };
    template <class T>
    struct Cache {
        std::tuple<typename Layers::template Cache<T>...> layers;
    };

    explicit Sequential(Layers... layers) : layers_(std::move(layers)...) {
        static_assert((check_layer<Layers>() && ...));
    }

    const std::tuple<Layers...>& layers() const { return layers_; }

    Shape output_shape(Shape shape) const {
        std::apply([&](const auto&... layer) { ((shape = layer.output_shape(shape)), ...); }, layers_);
        return shape;
    }

    template <class T = float>
    Params<T> init(Rng& rng) const {
        Params<T> params;
        for_each([&](auto i) { std::get<i>(params.layers) = std::get<i>(layers_).template init<T>(rng); });
        return params;
    }

    template <class T>
    void pack(const Params<T>& params, Packed<T>& packed) const {
        for_each([&](auto i) {
            gradcon::pack(std::get<i>(layers_), std::get<i>(params.layers), std::get<i>(packed.layers));
        });
    }

    template <class T>
    Batch<T> forward(const Packed<T>& p, Batch<T> x, Cache<T>& c) const {
        for_each([&](auto i) {
            if constexpr (i > 0)
                fuse(std::get<i - 1>(layers_), std::get<i - 1>(c.layers), std::get<i>(layers_), std::get<i>(c.layers));
        });
        for_each([&](auto i) { x = std::get<i>(layers_).forward(std::get<i>(p.layers), x, std::get<i>(c.layers)); });
        return x;
    }

    template <class T>
    Batch<T> backward(const Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        for_each_reversed([&](auto i) {
            dy = std::get<i>(layers_).backward(std::get<i>(p.layers), std::get<i>(c.layers), dy, std::get<i>(g.layers));
        });
        return dy;
    }

    template <class T>
    void backward_parameters(const Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        for_each_reversed([&](auto i) {
            const auto& layer = std::get<i>(layers_);
            if constexpr (i > 0)
                dy = layer.backward(std::get<i>(p.layers), std::get<i>(c.layers), dy, std::get<i>(g.layers));
            else
                gradcon::backward_parameters(layer, std::get<i>(p.layers), std::get<i>(c.layers), dy,
                                             std::get<i>(g.layers));
        });
    }

    template <class T>
    Batch<T> backward_reduce(const Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g,
                             std::span<kernels::Reduction<T>> r, bool wants_dx) const {
        for_each_reversed([&](auto i) {
            const std::size_t tensors = tensor_count(std::get<i>(g.layers));
            dy = gradcon::backward_reduce(std::get<i>(layers_), std::get<i>(p.layers), std::get<i>(c.layers), dy,
                                          std::get<i>(g.layers), r.last(tensors), wants_dx || i > 0);
            r = r.first(r.size() - tensors);
        });
        return dy;
    }

    template <class T>
    Batch<T> forward_tangent(const Packed<T>& p, const Packed<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                             Batch<T> x_dot) const {
        for_each([&](auto i) {
            x_dot = std::get<i>(layers_).forward_tangent(std::get<i>(p.layers), std::get<i>(p_dot.layers),
                                                         std::get<i>(c.layers), std::get<i>(c_dot.layers), x_dot);
        });
        return x_dot;
    }

    template <class T>
    Batch<T> forward_tangent_parameters(const Packed<T>& p, const Packed<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                                        const Shape& x, Tensor<T, 4>& zeros) const {
        Batch<T> x_dot;
        for_each([&](auto i) {
            const auto& layer = std::get<i>(layers_);
            auto &cache = std::get<i>(c.layers), &cache_dot = std::get<i>(c_dot.layers);
            if constexpr (i > 0)
                x_dot =
                    layer.forward_tangent(std::get<i>(p.layers), std::get<i>(p_dot.layers), cache, cache_dot, x_dot);
            else
                x_dot = gradcon::forward_tangent_parameters(layer, std::get<i>(p.layers), std::get<i>(p_dot.layers),
                                                            cache, cache_dot, x, zeros);
        });
        return x_dot;
    }

    template <class T>
    Batch<T> backward_tangent(const Packed<T>& p, const Packed<T>& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              Params<T>& g_dot) const {
        for_each_reversed([&](auto i) {
            dy_dot = std::get<i>(layers_).backward_tangent(std::get<i>(p.layers), std::get<i>(p_dot.layers),
                                                           std::get<i>(c.layers), std::get<i>(c_dot.layers), dy_dot,
                                                           std::get<i>(g_dot.layers));
        });
        return dy_dot;
    }

  private:
    template <class F>
    static void for_each(F&& f) {
        [&]<std::size_t... I>(std::index_sequence<I...>) { (f(std::integral_constant<std::size_t, I>{}), ...); }
        (std::make_index_sequence<count>{});
    }
    template <class F>
    static void for_each_reversed(F&& f) {
        for_each([&](auto i) { f(std::integral_constant<std::size_t, count - 1 - i>{}); });
    }

    std::tuple<Layers...> layers_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
