#pragma once

#include "gradcon/nn/bilinear.hpp"
#include "gradcon/nn/init.hpp"

#include <cstddef>
#include <span>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What Conv2d and ConvTranspose2d share. A convolution maps a large image to a small one; its adjoint, the transposed
/// convolution, maps the small image to the large one. Both read the same weight, kernel_size x kernel_size x the large
/// image's channels x the small image's channels.
/// `Layer` derives from Convolution and adds its constructor and output_shape.
template <class Layer, class Options, bool Transposed>
class Convolution : public Bilinear<Layer> {
  public:
    template <class T>
    struct Params : WeightAndBias<T, 4> {};
    template <class T>
    using Packed = PackedWeightAndBias<T>;

    std::size_t in_channels() const { return in_channels_; }
    std::size_t out_channels() const { return out_channels_; }
    const Options& options() const { return options_; }

    /// PyTorch's default: see init_uniform.
    template <class T = float>
    Params<T> init(Rng& rng) const {
        const std::size_t k = options_.kernel_size;
        Params<T> params;
        params.weight.resize({k, k, large_channels(), small_channels()});
        params.bias.resize({out_channels_});
        init_uniform(params, large_channels() * k * k, rng);
        return params;
    }

    template <class T>
    void pack(const Params<T>& params, Packed<T>& packed) const {
        kernels::pack(window(), static_cast<kernels::Index>(large_channels()),
                      static_cast<kernels::Index>(small_channels()), params.weight.data(), packed);
        packed.bias = params.bias;
    }

  protected:
    Convolution(std::size_t in_channels, std::size_t out_channels, const Options& options)
        : in_channels_(in_channels), out_channels_(out_channels), options_(options) {}

  private:
    friend struct Bilinear<Layer>;

    std::size_t large_channels() const { return Transposed ? out_channels_ : in_channels_; }
    std::size_t small_channels() const { return Transposed ? in_channels_ : out_channels_; }

    kernels::Window window() const {
        return {static_cast<kernels::Index>(options_.kernel_size), static_cast<kernels::Index>(options_.stride),
                static_cast<kernels::Index>(options_.padding)};
    }

    template <class T>
    using Products = std::span<const kernels::Product<T>>;

    template <class T>
    void apply(Products<T> x, const kernels::Finish<T>& finish, TensorView<T, 4> y,
               kernels::Scratch<T>& scratch) const {
        if constexpr (Transposed) kernels::scatter(window(), x, finish, y, scratch.values);
        else kernels::gather(window(), x, finish, y, scratch.values);
    }
    template <class T>
    void apply_adjoint(Products<T> dy, const kernels::Finish<T>& finish, TensorView<T, 4> dx,
                       kernels::Scratch<T>& scratch) const {
        if constexpr (Transposed) kernels::gather(window(), dy, finish, dx, scratch.values);
        else kernels::scatter(window(), dy, finish, dx, scratch.values);
    }
    template <class T>
    static kernels::ImagePair<T> pair(Batch<T> x, Batch<T> dy) {
        if constexpr (Transposed) return {dy, x};
        else return {x, dy};
    }
    template <class T, class R>
    void outer_product(std::span<const kernels::ImagePair<T>> pairs, R& reduction, kernels::Scratch<T>& scratch) const {
        kernels::outer_product(window(), pairs, reduction, scratch);
    }

    std::size_t in_channels_, out_channels_;
    Options options_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
