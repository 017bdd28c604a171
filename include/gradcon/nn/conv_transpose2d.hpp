#pragma once

#include "gradcon/nn/bilinear.hpp"
#include "gradcon/nn/init.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// kernel_size and stride 1 or more, padding 0 or more, the same along both axes; output_padding {height, width} below
/// stride: rows and columns added at the end, which chooses among the sizes that a strided convolution maps to one.
struct ConvTranspose2dOptions {
    std::size_t kernel_size = 3, stride = 1, padding = 0;
    std::array<std::size_t, 2> output_padding{0, 0};
};

/// The adjoint of a Conv2d from out_channels to in_channels, plus a bias:
/// y[n, iy * stride - padding + ky, ix * stride - padding + kx, o] += x[n, iy, ix, i] * weight[ky, kx, o, i]
/// x: N x h x w x in_channels; y: N x ((h - 1) stride - 2 padding + kernel_size + output_padding) x ... x out_channels.
class ConvTranspose2d : public Bilinear<ConvTranspose2d> {
  public:
    template <class T>
    struct Params : WeightAndBias<T, 4> {}; // weight: kernel_size x kernel_size x out_channels x in_channels
    template <class T>
    using Packed = PackedWeightAndBias<T>;

    /// @throws ValueError when a channel count, kernel_size or stride is 0, or output_padding is not below stride
    ConvTranspose2d(std::size_t in_channels, std::size_t out_channels, const ConvTranspose2dOptions& options)
        : in_channels_(in_channels), out_channels_(out_channels), options_(options) {
        const auto& [k, s, p, op] = options_;
        if (in_channels == 0 || out_channels == 0 || k == 0 || s == 0 || op[0] >= s || op[1] >= s)
            throw ValueError(
                message("ConvTranspose2d: channels, kernel_size and stride are 1 or more, output_padding is below "
                        "stride; given: in_channels ",
                        in_channels, ", out_channels ", out_channels, ", kernel_size ", k, ", stride ", s,
                        ", output_padding ", op[0], " ", op[1]));
    }

    std::size_t in_channels() const { return in_channels_; }
    std::size_t out_channels() const { return out_channels_; }
    const ConvTranspose2dOptions& options() const { return options_; }

    /// @throws ShapeError when x has other channels or no pixel, or nothing would be left inside the padding
    Shape output_shape(const Shape& x) const {
        const auto& [k, s, p, op] = options_;
        if (x[3] != in_channels_ || x[1] == 0 || x[2] == 0 || (x[1] - 1) * s + k + op[0] <= 2 * p ||
            (x[2] - 1) * s + k + op[1] <= 2 * p)
            throw ShapeError(message("ConvTranspose2d: needs N x height x width x ", in_channels_,
                                     " with more than the padding of ", p,
                                     " on either side in its output; given: ", shape_string(x)));
        return {x[0], (x[1] - 1) * s + k + op[0] - 2 * p, (x[2] - 1) * s + k + op[1] - 2 * p, out_channels_};
    }

    template <class T = float>
    Params<T> init(Rng& rng) const {
        Params<T> params;
        params.weight.resize({options_.kernel_size, options_.kernel_size, out_channels_, in_channels_});
        params.bias.resize({out_channels_});
        init_uniform(params, out_channels_ * options_.kernel_size * options_.kernel_size, rng);
        return params;
    }

    template <class T>
    void pack(const Params<T>& params, Packed<T>& packed) const {
        kernels::pack(window(), static_cast<kernels::Index>(out_channels_), static_cast<kernels::Index>(in_channels_),
                      params.weight.data(), packed);
        packed.bias = params.bias;
    }

  private:
    friend struct Bilinear<ConvTranspose2d>;

    kernels::Window window() const {
        return {static_cast<kernels::Index>(options_.kernel_size), static_cast<kernels::Index>(options_.stride),
                static_cast<kernels::Index>(options_.padding)};
    }

    template <class T>
    using Products = std::span<const kernels::Product<T>>;

    template <class T>
    void apply(Products<T> x, const kernels::Finish<T>& finish, TensorView<T, 4> y,
               kernels::Scratch<T>& scratch) const {
        kernels::scatter(window(), x, finish, y, scratch.values);
    }
    template <class T>
    void apply_adjoint(Products<T> dy, const kernels::Finish<T>& finish, TensorView<T, 4> dx,
                       kernels::Scratch<T>& scratch) const {
        kernels::gather(window(), dy, finish, dx, scratch.values);
    }
    template <class T>
    static kernels::ImagePair<T> pair(Batch<T> x, Batch<T> dy) {
        return {dy, x};
    }
    template <class T, class R>
    void outer_product(std::span<const kernels::ImagePair<T>> pairs, R& reduction, kernels::Scratch<T>& scratch) const {
        kernels::outer_product(window(), pairs, reduction, scratch);
    }

    std::size_t in_channels_, out_channels_;
    ConvTranspose2dOptions options_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
