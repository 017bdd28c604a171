#pragma once

#include "gradcon/nn/convolution.hpp"

#include <cstddef>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// kernel_size and stride 1 or more, padding 0 or more; the same along both axes.
struct Conv2dOptions {
    std::size_t kernel_size = 3, stride = 1, padding = 0;
};

/// y[n, oy, ox, o] = bias[o] + sum over ky, kx, i of x[n, oy * stride - padding + ky, ox * stride - padding + kx, i]
///                                                   * weight[ky, kx, i, o]
/// x: N x H x W x in_channels; y: N x ((H + 2 padding - kernel_size) / stride + 1) x ... x out_channels;
/// weight: kernel_size x kernel_size x in_channels x out_channels.
class Conv2d : public Convolution<Conv2d, Conv2dOptions, false> {
  public:
    /// @throws ValueError when a channel count, kernel_size or stride is 0
    Conv2d(std::size_t in_channels, std::size_t out_channels, const Conv2dOptions& options)
        : Convolution(in_channels, out_channels, options) {
        if (in_channels == 0 || out_channels == 0 || options.kernel_size == 0 || options.stride == 0)
            throw ValueError(message("Conv2d: channels, kernel_size and stride are 1 or more; given: in_channels ",
                                     in_channels, ", out_channels ", out_channels, ", kernel_size ",
                                     options.kernel_size, ", stride ", options.stride));
    }

    /// @throws ShapeError when x has other channels, or is smaller than the kernel even with its padding
    Shape output_shape(const Shape& x) const {
        const auto& [k, s, p] = options();
        if (x[3] != in_channels() || x[1] + 2 * p < k || x[2] + 2 * p < k)
            throw ShapeError(message("Conv2d: needs N x height x width x ", in_channels(),
                                     " with height and width of at least ", k > 2 * p ? k - 2 * p : 1,
                                     "; given: ", shape_string(x)));
        return {x[0], (x[1] + 2 * p - k) / s + 1, (x[2] + 2 * p - k) / s + 1, out_channels()};
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
