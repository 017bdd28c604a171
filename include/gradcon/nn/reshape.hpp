#pragma once

#include "gradcon/nn/concepts.hpp"

#include <cstddef>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Every layer that only moves elements within a sample. `Move` derives from Permutation<itself> and offers
/// output_shape(shape) and from_image: whether its input is the image or the vector.
template <class Move>
struct Permutation {
    template <class T>
    using Params = NoParams;
    template <class T>
    struct Cache {
        Shape x{};
        Tensor<T, 4> y, dx;
    };

    template <class T = float>
    NoParams init(Rng&) const {
        return {};
    }

    template <class T>
    Batch<T> forward(const NoParams&, Batch<T> x, Cache<T>& c) const {
        c.x = x.shape();
        return move(x, layer().output_shape(x.shape()), Move::from_image, c.y);
    }
    template <class T>
    Batch<T> backward(const NoParams&, Cache<T>& c, Batch<T> dy, NoParams&) const {
        return move(dy, c.x, !Move::from_image, c.dx);
    }
    template <class T>
    Batch<T> forward_tangent(const NoParams& p, const NoParams&, Cache<T>&, Cache<T>& c_dot, Batch<T> x_dot) const {
        return forward(p, x_dot, c_dot);
    }
    template <class T>
    Batch<T> backward_tangent(const NoParams&, const NoParams&, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              NoParams&) const {
        return move(dy_dot, c.x, !Move::from_image, c_dot.dx);
    }

  private:
    const Move& layer() const { return static_cast<const Move&>(*this); }

    /// Between an image (height x width x channels) and a vector in PyTorch's order (channels x height x width).
    template <class T>
    static Batch<T> move(Batch<T> from, const Shape& shape, bool from_image, Tensor<T, 4>& storage) {
        const auto to = reserve(storage, shape);
        const Shape image = from_image ? from.shape() : shape;
        const std::size_t pixels = image[1] * image[2], channels = image[3];
        for (std::size_t n = 0; n < image[0]; ++n) {
            const T* source = from.data() + n * pixels * channels;
            T* target = to.data() + n * pixels * channels;
            for (std::size_t p = 0; p < pixels; ++p)
                for (std::size_t c = 0; c < channels; ++c)
                    if (from_image) target[c * pixels + p] = source[p * channels + c];
                    else target[p * channels + c] = source[c * pixels + p];
        }
        return to;
    }
};

/// N x H x W x C to N x 1 x 1 x (C H W), in PyTorch's order (channel, row, column), so that a Linear layer behind it
/// has PyTorch's weights.
struct Flatten : Permutation<Flatten> {
    static constexpr bool from_image = true;
    Shape output_shape(const Shape& x) const { return {x[0], 1, 1, x[1] * x[2] * x[3]}; }
};

/// The inverse of Flatten: N x 1 x 1 x (C H W) to N x height x width x channels.
struct Unflatten : Permutation<Unflatten> {
    static constexpr bool from_image = false;

    Unflatten(std::size_t image_height, std::size_t image_width, std::size_t image_channels)
        : height(image_height), width(image_width), channels(image_channels) {}

    /// @throws ShapeError when x is no vector of height * width * channels
    Shape output_shape(const Shape& x) const {
        const Shape y{x[0], height, width, channels};
        if (x[1] != 1 || x[2] != 1 || x[3] != height * width * channels)
            throw ShapeError(message("Unflatten: needs N x 1 x 1 x ", height * width * channels, " for images of ",
                                     height, " x ", width, " x ", channels, "; given: ", shape_string(x)));
        return y;
    }

    std::size_t height, width, channels;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
