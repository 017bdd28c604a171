#pragma once

#include "gradcon/nn/convolution.hpp"

#include <array>
#include <cstddef>

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
/// x: N x h x w x in_channels; y: N x ((h - 1) stride - 2 padding + kernel_size + output_padding) x ... x out_channels;
/// weight: kernel_size x kernel_size x out_channels x in_channels.
class ConvTranspose2d : public Convolution<ConvTranspose2d, ConvTranspose2dOptions, true> {
  public:
    /// @throws ValueError when a channel count, kernel_size or stride is 0, or output_padding is not below stride
    ConvTranspose2d(std::size_t in_channels, std::size_t out_channels, const ConvTranspose2dOptions& options)
        : Convolution(in_channels, out_channels, options) {
        const auto& [k, s, p, op] = options;
        if (in_channels == 0 || out_channels == 0 || k == 0 || s == 0 || op[0] >= s || op[1] >= s)
            throw ValueError(
                message("ConvTranspose2d: channels, kernel_size and stride are 1 or more, output_padding is below "
                        "stride; given: in_channels ",
                        in_channels, ", out_channels ", out_channels, ", kernel_size ", k, ", stride ", s,
                        ", output_padding ", op[0], " ", op[1]));
    }

    /// @throws ShapeError when x has other channels or no pixel, or nothing would be left inside the padding
    Shape output_shape(const Shape& x) const {
        const auto& [k, s, p, op] = options();
        if (x[3] != in_channels() || x[1] == 0 || x[2] == 0 || (x[1] - 1) * s + k + op[0] <= 2 * p ||
            (x[2] - 1) * s + k + op[1] <= 2 * p)
            throw ShapeError(message("ConvTranspose2d: needs N x height x width x ", in_channels(),
                                     " with more than the padding of ", p,
                                     " on either side in its output; given: ", shape_string(x)));
        return {x[0], (x[1] - 1) * s + k + op[0] - 2 * p, (x[2] - 1) * s + k + op[1] - 2 * p, out_channels()};
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
