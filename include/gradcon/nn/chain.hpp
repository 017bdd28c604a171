#pragma once

#include "gradcon/nn/activation.hpp"
#include "gradcon/nn/conv2d.hpp"
#include "gradcon/nn/conv_transpose2d.hpp"
#include "gradcon/nn/linear.hpp"
#include "gradcon/nn/passes.hpp"
#include "gradcon/nn/reshape.hpp"

#include <cstddef>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Layers one after the other, known when running (from a model file or from options); itself a layer. `Layers` are the
/// kinds that it may hold. Parameters, caches and packed weights hold one alternative for each layer, with its index.
template <class... Layers>
class ChainOf {
  public:
    using AnyLayer = std::variant<Layers...>;

    template <class T>
    struct Params {
        std::vector<std::variant<typename Layers::template Params<T>...>> layers;

        template <class Self>
        static auto fields(Self& self) {
            return std::tie(self.layers);
        }
        static constexpr std::array<const char*, 1> field_names{""};
    };
    template <class T>
    struct Packed {
        std::vector<std::variant<packed_t<Layers, T>...>> layers;
    };
    template <class T>
    struct Cache {
        std::vector<std::variant<typename Layers::template Cache<T>...>> layers;
    };

    ChainOf() = default;
    explicit ChainOf(std::vector<AnyLayer> layers) : layers_(std::move(layers)) {}

    const std::vector<AnyLayer>& layers() const { return layers_; }

    Shape output_shape(Shape shape) const {
        for (std::size_t i = 0; i < layers_.size(); ++i)
            visit(i, [&](const auto& layer, auto) { shape = layer.output_shape(shape); });
        return shape;
    }

    template <class T = float>
    Params<T> init(Rng& rng) const {
        Params<T> params;
        prepare(params.layers);
        for (std::size_t i = 0; i < layers_.size(); ++i)
            visit(i, [&](const auto& layer, auto k) { std::get<k>(params.layers[i]) = layer.template init<T>(rng); });
        return params;
    }

    template <class T>
    void pack(const Params<T>& params, Packed<T>& packed) const {
        prepare(packed.layers);
        for (std::size_t i = 0; i < layers_.size(); ++i)
            visit(i, [&](const auto& layer, auto k) {
                gradcon::pack(layer, std::get<k>(params.layers[i]), std::get<k>(packed.layers[i]));
            });
    }

    template <class T>
    Batch<T> forward(const Packed<T>& p, Batch<T> x, Cache<T>& c) const {
        prepare(c.layers);
        for (std::size_t i = 1; i < layers_.size(); ++i)
            visit(i - 1, [&](const auto& first, auto k) {
                visit(i, [&](const auto& second, auto l) {
                    fuse(first, std::get<k>(c.layers[i - 1]), second, std::get<l>(c.layers[i]));
                });
            });
        for (std::size_t i = 0; i < layers_.size(); ++i)
            visit(i, [&](const auto& layer, auto k) {
                x = layer.forward(std::get<k>(p.layers[i]), x, std::get<k>(c.layers[i]));
            });
        return x;
    }

    template <class T>
    Batch<T> backward(const Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        for (std::size_t i = layers_.size(); i-- > 0;)
            visit(i, [&](const auto& layer, auto k) {
                dy = layer.backward(std::get<k>(p.layers[i]), std::get<k>(c.layers[i]), dy, std::get<k>(g.layers[i]));
            });
        return dy;
    }

    template <class T>
    void backward_parameters(const Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        for (std::size_t i = layers_.size(); i-- > 0;)
            visit(i, [&](const auto& layer, auto k) {
                auto& cache = std::get<k>(c.layers[i]);
                if (i > 0) dy = layer.backward(std::get<k>(p.layers[i]), cache, dy, std::get<k>(g.layers[i]));
                else gradcon::backward_parameters(layer, std::get<k>(p.layers[i]), cache, dy, std::get<k>(g.layers[i]));
            });
    }

    template <class T>
    Batch<T> backward_reduce(const Packed<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g,
                             std::span<kernels::Reduction<T>> r, bool wants_dx) const {
        for (std::size_t i = layers_.size(); i-- > 0;)
            visit(i, [&](const auto& layer, auto k) {
                const std::size_t tensors = tensor_count(std::get<k>(g.layers[i]));
                dy = gradcon::backward_reduce(layer, std::get<k>(p.layers[i]), std::get<k>(c.layers[i]), dy,
                                              std::get<k>(g.layers[i]), r.last(tensors), wants_dx || i > 0);
                r = r.first(r.size() - tensors);
            });
        return dy;
    }

    template <class T>
    Batch<T> forward_tangent(const Packed<T>& p, const Packed<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                             Batch<T> x_dot) const {
        prepare(c_dot.layers);
        for (std::size_t i = 0; i < layers_.size(); ++i)
            visit(i, [&](const auto& layer, auto k) {
                x_dot = layer.forward_tangent(std::get<k>(p.layers[i]), std::get<k>(p_dot.layers[i]),
                                              std::get<k>(c.layers[i]), std::get<k>(c_dot.layers[i]), x_dot);
            });
        return x_dot;
    }

    template <class T>
    Batch<T> forward_tangent_parameters(const Packed<T>& p, const Packed<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                                        const Shape& x, Tensor<T, 4>& zeros) const {
        prepare(c_dot.layers);
        if (layers_.empty()) return zero_batch(zeros, x);
        Batch<T> x_dot;
        for (std::size_t i = 0; i < layers_.size(); ++i)
            visit(i, [&](const auto& layer, auto k) {
                const auto &params = std::get<k>(p.layers[i]), &params_dot = std::get<k>(p_dot.layers[i]);
                auto &cache = std::get<k>(c.layers[i]), &cache_dot = std::get<k>(c_dot.layers[i]);
                if (i > 0) x_dot = layer.forward_tangent(params, params_dot, cache, cache_dot, x_dot);
                else x_dot = gradcon::forward_tangent_parameters(layer, params, params_dot, cache, cache_dot, x, zeros);
            });
        return x_dot;
    }

    template <class T>
    Batch<T> backward_tangent(const Packed<T>& p, const Packed<T>& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              Params<T>& g_dot) const {
        for (std::size_t i = layers_.size(); i-- > 0;)
            visit(i, [&](const auto& layer, auto k) {
                dy_dot = layer.backward_tangent(std::get<k>(p.layers[i]), std::get<k>(p_dot.layers[i]),
                                                std::get<k>(c.layers[i]), std::get<k>(c_dot.layers[i]), dy_dot,
                                                std::get<k>(g_dot.layers[i]));
            });
        return dy_dot;
    }

  private:
    /// f(layer, its index among the kinds as a constant)
    template <class F>
    void visit(std::size_t i, F&& f) const {
        [&]<std::size_t... K>(std::index_sequence<K...>) {
            const auto kind = [&](auto k) {
                if (layers_[i].index() == k) f(std::get<k>(layers_[i]), k);
            };
            (kind(std::integral_constant<std::size_t, K>{}), ...);
        }
        (std::make_index_sequence<sizeof...(Layers)>{});
    }

    /// One alternative for each layer, of the layer's index; what already is so keeps its memory.
    template <class Alternatives>
    void prepare(Alternatives& alternatives) const {
        alternatives.resize(layers_.size());
        for (std::size_t i = 0; i < layers_.size(); ++i)
            visit(i, [&](const auto&, auto k) {
                if (alternatives[i].index() != k) alternatives[i].template emplace<k>();
            });
    }

    std::vector<AnyLayer> layers_;
};

/// A chain of the layers that the library ships.
using Chain = ChainOf<Linear, Conv2d, ConvTranspose2d, ReLU, LeakyReLU, Sigmoid, Tanh, Flatten, Unflatten>;

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
