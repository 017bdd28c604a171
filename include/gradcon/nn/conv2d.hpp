#pragma once

#include "gradcon/nn/bilinear.hpp"
#include "gradcon/nn/init.hpp"

#include <cstddef>
#include <span>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// kernel_size and stride 1 or more, padding 0 or more; the same along both axes.
struct Conv2dOptions {
    std::size_t kernel_size = 3, stride = 1, padding = 0;
};

/// y[n, oy, ox, o] = bias[o] + sum over ky, kx, i of x[n, oy * stride - padding + ky, ox * stride - padding + kx, i]
///                                                   * weight[ky, kx, i, o]
/// x: N x H x W x in_channels; y: N x ((H + 2 padding - kernel_size) / stride + 1) x ... x out_channels.
class Conv2d : public Bilinear<Conv2d> {
  public:
    template <class T>
    struct Params : WeightAndBias<T, 4> {}; // weight: kernel_size x kernel_size x in_channels x out_channels
    template <class T>
    using Packed = PackedWeightAndBias<T>;

    /// @throws ValueError when a channel count, kernel_size or stride is 0
    Conv2d(std::size_t in_channels, std::size_t out_channels, const Conv2dOptions& options)
        : in_channels_(in_channels), out_channels_(out_channels), options_(options) {
        if (in_channels == 0 || out_channels == 0 || options.kernel_size == 0 || options.stride == 0)
            throw ValueError(message("Conv2d: channels, kernel_size and stride are 1 or more; given: in_channels ",
                                     in_channels, ", out_channels ", out_channels, ", kernel_size ",
                                     options.kernel_size, ", stride ", options.stride));
    }

    std::size_t in_channels() const { return in_channels_; }
    std::size_t out_channels() const { return out_channels_; }
    const Conv2dOptions& options() const { return options_; }

    /// @throws ShapeError when x has other channels, or is smaller than the kernel even with its padding
    Shape output_shape(const Shape& x) const {
        const auto& [k, s, p] = options_;
        if (x[3] != in_channels_ || x[1] + 2 * p < k || x[2] + 2 * p < k)
            throw ShapeError(message("Conv2d: needs N x height x width x ", in_channels_,
                                     " with height and width of at least ", k > 2 * p ? k - 2 * p : 1,
                                     "; given: ", shape_string(x)));
        return {x[0], (x[1] + 2 * p - k) / s + 1, (x[2] + 2 * p - k) / s + 1, out_channels_};
    }

    template <class T = float>
    Params<T> init(Rng& rng) const {
        Params<T> params;
        params.weight.resize({options_.kernel_size, options_.kernel_size, in_channels_, out_channels_});
        params.bias.resize({out_channels_});
        init_uniform(params, in_channels_ * options_.kernel_size * options_.kernel_size, rng);
        return params;
    }

    template <class T>
    void pack(const Params<T>& params, Packed<T>& packed) const {
        kernels::pack(window(), static_cast<kernels::Index>(in_channels_), static_cast<kernels::Index>(out_channels_),
                      params.weight.data(), packed);
        packed.bias = params.bias;
    }

  private:
    friend struct Bilinear<Conv2d>;

    kernels::Window window() const {
        return {static_cast<kernels::Index>(options_.kernel_size), static_cast<kernels::Index>(options_.stride),
                static_cast<kernels::Index>(options_.padding)};
    }

    template <class T>
    using Products = std::span<const kernels::Product<T>>;

    template <class T>
    void apply(Products<T> x, const kernels::Finish<T>& finish, TensorView<T, 4> y,
               kernels::Scratch<T>& scratch) const {
        kernels::gather(window(), x, finish, y, scratch.values);
    }
    template <class T>
    void apply_adjoint(Products<T> dy, const kernels::Finish<T>& finish, TensorView<T, 4> dx,
                       kernels::Scratch<T>& scratch) const {
        kernels::scatter(window(), dy, finish, dx, scratch.values);
    }
    template <class T>
    static kernels::ImagePair<T> pair(Batch<T> x, Batch<T> dy) {
        return {x, dy};
    }
    template <class T, class R>
    void outer_product(std::span<const kernels::ImagePair<T>> pairs, R& reduction, kernels::Scratch<T>& scratch) const {
        kernels::outer_product(window(), pairs, reduction, scratch);
    }

    std::size_t in_channels_, out_channels_;
    Conv2dOptions options_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
