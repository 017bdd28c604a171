#pragma once

#include "gradcon/core/finite.hpp"
#include "gradcon/nn/concepts.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// kernel_size 1 or more; stride 0 for that of the kernel; padding at most half the kernel. The same along both axes.
struct MaxPool2dOptions {
    std::size_t kernel_size = 2, stride = 0, padding = 0;
};

/// y[n, oy, ox, c] = the largest x[n, oy * stride - padding + ky, ox * stride - padding + kx, c] with 0 <= ky, kx <
/// kernel_size inside the image; as PyTorch's MaxPool2d, NaN counts as the largest. Among equals the first in row-major
/// order is taken, and the gradient goes to it alone.
/// x: N x H x W x C; y: N x ((H + 2 padding - kernel_size) / stride + 1) x ... x C.
class MaxPool2d {
  public:
    template <class T>
    using Params = NoParams;
    template <class T>
    struct Cache {
        Shape x{};
        std::vector<std::size_t> source; // of each element of y, its place in x
        Tensor<T, 4> y, dx;
    };

    /// @throws ValueError when kernel_size is 0, or padding is more than half of it
    explicit MaxPool2d(const MaxPool2dOptions& options = {}) : options_(options) {
        if (options.stride == 0) options_.stride = options.kernel_size;
        if (options.kernel_size == 0 || options.padding > options.kernel_size / 2)
            throw ValueError(message("MaxPool2d: kernel_size is 1 or more, padding at most half of it; given: "
                                     "kernel_size ",
                                     options.kernel_size, ", padding ", options.padding));
    }

    /// With the stride that is used.
    const MaxPool2dOptions& options() const { return options_; }

    /// @throws ShapeError when x has no pixel, or is smaller than the kernel even with its padding
    Shape output_shape(const Shape& x) const {
        const auto& [k, s, p] = options_;
        const std::size_t least = std::max<std::size_t>(1, k - 2 * p);
        if (x[1] < least || x[2] < least)
            throw ShapeError(
                message("MaxPool2d: needs a height and a width of at least ", least, "; given: ", shape_string(x)));
        return {x[0], (x[1] + 2 * p - k) / s + 1, (x[2] + 2 * p - k) / s + 1, x[3]};
    }

    template <class T = float>
    NoParams init(Rng&) const {
        return {};
    }

    template <class T>
    Batch<T> forward(const NoParams&, Batch<T> x, Cache<T>& c) const {
        c.x = x.shape();
        const Shape shape = output_shape(c.x);
        const auto y = reserve(c.y, shape);
        c.source.resize(y.size());
        const std::size_t channels = shape[3];
        std::size_t* source = c.source.data();
        for (std::size_t n = 0; n < shape[0]; ++n)
            for (std::size_t oy = 0; oy < shape[1]; ++oy) {
                const Range rows = range(oy, c.x[1]);
                for (std::size_t ox = 0; ox < shape[2]; ++ox, source += channels) {
                    const Range columns = range(ox, c.x[2]);
                    for (std::size_t channel = 0; channel < channels; ++channel)
                        source[channel] = ((n * c.x[1] + rows.from) * c.x[2] + columns.from) * channels + channel;
                    for (std::size_t iy = rows.from; iy < rows.to; ++iy)
                        for (std::size_t ix = columns.from; ix < columns.to; ++ix) {
                            const std::size_t at = ((n * c.x[1] + iy) * c.x[2] + ix) * channels;
                            for (std::size_t channel = 0; channel < channels; ++channel) {
                                const T value = x.data()[at + channel];
                                if (value > x.data()[source[channel]] || is_nan(double{value}))
                                    source[channel] = at + channel;
                            }
                        }
                }
            }
        return take(x, c, y);
    }

    template <class T>
    Batch<T> backward(const NoParams&, Cache<T>& c, Batch<T> dy, NoParams&) const {
        return give_back(dy, c, c.dx);
    }

    template <class T>
    Batch<T> forward_tangent(const NoParams&, const NoParams&, Cache<T>& c, Cache<T>& c_dot, Batch<T> x_dot) const {
        return take(x_dot, c, reserve(c_dot.y, output_shape(c.x)));
    }

    template <class T>
    Batch<T> backward_tangent(const NoParams&, const NoParams&, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              NoParams&) const {
        return give_back(dy_dot, c, c_dot.dx);
    }

  private:
    struct Range {
        std::size_t from, to;
    };
    /// The part inside the image of the window of output position `at`, along an axis of `size`.
    Range range(std::size_t at, std::size_t size) const {
        const auto& [k, s, p] = options_;
        return {at * s > p ? at * s - p : 0, std::min(size, at * s + k - p)};
    }

    template <class T>
    static Batch<T> take(Batch<T> from, const Cache<T>& c, TensorView<T, 4> to) {
        for (std::size_t i = 0; i < c.source.size(); ++i) to.data()[i] = from.data()[c.source[i]];
        return to;
    }
    /// The adjoint of take.
    template <class T>
    static Batch<T> give_back(Batch<T> from, const Cache<T>& c, Tensor<T, 4>& storage) {
        const auto to = reserve(storage, c.x);
        std::fill_n(to.data(), to.size(), T{});
        for (std::size_t i = 0; i < c.source.size(); ++i) to.data()[c.source[i]] += from.data()[i];
        return to;
    }

    MaxPool2dOptions options_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
