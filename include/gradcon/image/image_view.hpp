#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/tensor.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What the numbers of a pixel are, in the order in which they lie in memory. Alpha is never looked at.
enum class PixelOrder { gray, rgb, bgr, rgba, bgra };

/// The numbers of a pixel.
constexpr std::size_t channel_count(PixelOrder order) {
    switch (order) {
    case PixelOrder::gray: return 1;
    case PixelOrder::rgb:
    case PixelOrder::bgr: return 3;
    case PixelOrder::rgba:
    case PixelOrder::bgra: return 4;
    }
    return 0;
}

/// What a camera, a decoder or a program may hold: 0 to 255, 0 to 65,535, or 0 to 1.
template <class P>
concept Pixel = std::same_as<P, std::uint8_t> || std::same_as<P, std::uint16_t> || std::same_as<P, float> ||
    std::same_as<P, double>;

/// A picture in memory that someone else owns; nothing is copied. Strides count elements, not bytes, and may be
/// negative (rows from the bottom up); what is 0 is as in a packed picture.
/// OpenCV's frames: examples/opencv.cpp; Eigen's matrices: examples/eigen_matrices.cpp. Planes, as PyTorch has them:
///     {.data = p, .height = h, .width = w, .order = PixelOrder::rgb, .row_stride = w, .pixel_stride = 1,
///      .channel_stride = h * w}
template <Pixel P>
struct ImageView {
    const P* data = nullptr; // of the first pixel of the first row
    std::size_t height = 0, width = 0;
    PixelOrder order = PixelOrder::gray;
    std::ptrdiff_t row_stride = 0, pixel_stride = 0, channel_stride = 0;

    std::ptrdiff_t channel_step() const { return channel_stride != 0 ? channel_stride : 1; }
    std::ptrdiff_t pixel_step() const {
        return pixel_stride != 0 ? pixel_stride : static_cast<std::ptrdiff_t>(channel_count(order));
    }
    std::ptrdiff_t row_step() const {
        return row_stride != 0 ? row_stride : static_cast<std::ptrdiff_t>(width) * pixel_step();
    }
    const P* row(std::size_t y) const { return data + static_cast<std::ptrdiff_t>(y) * row_step(); }

    /// @throws ShapeError for a picture without pixels or without memory
    void check() const {
        if (data == nullptr || height == 0 || width == 0)
            throw ShapeError(message("a picture needs memory and 1 x 1 pixels or more; this one has ", height, " x ",
                                     width, data == nullptr ? " and no memory" : ""));
        element_count(std::array{height, width, channel_count(order)});
    }
};

/// A view of a tensor height x width x channels: 1 is gray, 3 red, green, blue, 4 with alpha behind them.
/// @throws ShapeError for another number of channels
template <Pixel P>
ImageView<P> view_of(TensorView<const P, 3> picture) {
    const std::size_t channels = picture.shape(2);
    if (channels != 1 && channels != 3 && channels != 4)
        throw ShapeError(message("a picture has 1, 3 or 4 channels; this one: ", shape_string(picture.shape())));
    return {picture.data(), picture.shape(0), picture.shape(1),
            channels == 1   ? PixelOrder::gray
            : channels == 3 ? PixelOrder::rgb
                            : PixelOrder::rgba};
}

template <Pixel P>
ImageView<P> view_of(const Tensor<P, 3>& picture) {
    return view_of(TensorView<const P, 3>(picture));
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
