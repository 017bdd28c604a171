#pragma once

#include "sample.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

using Colour = std::array<std::uint8_t, 3>; // red, green, blue

/// The colour of a picture's pixel, gray or not.
inline Colour colour_at(const Picture& picture, std::size_t y, std::size_t x) {
    const std::size_t last = picture.shape()[2] - 1;
    return {picture(y, x, 0), picture(y, x, std::min<std::size_t>(1, last)), picture(y, x, last)};
}

/// Panels side by side, each of the picture's size times a whole number that makes small pictures visible, or divided
/// by one.
class Sheet {
  public:
    /// @param least, most of the longer side of a panel  @param bar width of a bar at the right, 0: none
    Sheet(std::size_t panels, std::size_t height, std::size_t width, std::size_t least, std::size_t most,
          std::size_t bar = 0)
        : zoom_(std::max<std::size_t>(1, least / std::max(height, width))),
          step_(std::max<std::size_t>(1, (std::max(height, width) - 1) / most + 1)), from_height_(height),
          from_width_(width), height_((height + step_ - 1) / step_ * zoom_),
          width_((width + step_ - 1) / step_ * zoom_), bar_(bar) {
        pixels_.resize({height_ + 2 * gap, panels * (width_ + gap) + gap + (bar > 0 ? bar + gap : 0), 3});
        std::ranges::fill(pixels_, std::uint8_t{255});
    }
    /// colour(y, x) as red, green, blue of the picture's pixel
    template <class F>
    void panel(F&& colour) {
        for (std::size_t y = 0; y < height_; ++y)
            for (std::size_t x = 0; x < width_; ++x) {
                const auto c = mean(colour, y / zoom_ * step_, x / zoom_ * step_);
                for (std::size_t k = 0; k < 3; ++k) pixels_(y + gap, at_ * (width_ + gap) + gap + x, k) = c[k];
            }
        ++at_;
    }
    /// colour(share), from 0 at the bottom of the bar to 1 at its top
    template <class F>
    void bar(F&& colour) {
        const std::size_t left = pixels_.shape()[1] - gap - bar_;
        for (std::size_t y = 0; y < height_; ++y) {
            const Colour c = colour((static_cast<double>(height_ - y) - 0.5) / static_cast<double>(height_));
            for (std::size_t x = left; x < left + bar_; ++x) std::ranges::copy(c, &pixels_(y + gap, x, 0));
        }
    }
    /// So many of the picture's pixels are one of a panel.
    std::size_t step() const { return step_; }
    const Picture& pixels() const { return pixels_; }

  private:
    /// Of the square of step x step pixels that begins there.
    template <class F>
    Colour mean(F&& colour, std::size_t top, std::size_t left) const {
        std::array<std::size_t, 3> sum{};
        std::size_t count = 0;
        for (std::size_t y = top; y < std::min(top + step_, from_height_); ++y)
            for (std::size_t x = left; x < std::min(left + step_, from_width_); ++x, ++count) {
                const Colour c = colour(y, x);
                for (std::size_t k = 0; k < 3; ++k) sum[k] += c[k];
            }
        Colour c{};
        for (std::size_t k = 0; k < 3; ++k) c[k] = static_cast<std::uint8_t>((sum[k] + count / 2) / count);
        return c;
    }

    static constexpr std::size_t gap = 8;
    std::size_t zoom_, step_, from_height_, from_width_, height_, width_, bar_, at_ = 0;
    Picture pixels_;
};
