#include "explanation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace {

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255 + 0.5F); }

/// Panels side by side, each of the picture's size times a whole number that makes small pictures visible, or divided
/// by one.
class Sheet {
  public:
    Sheet(std::size_t panels, std::size_t height, std::size_t width, std::size_t least, std::size_t most)
        : zoom_(std::max<std::size_t>(1, least / std::max(height, width))),
          step_(std::max<std::size_t>(1, (std::max(height, width) - 1) / most + 1)), from_height_(height),
          from_width_(width), height_((height + step_ - 1) / step_ * zoom_),
          width_((width + step_ - 1) / step_ * zoom_) {
        pixels_.resize({height_ + 2 * gap, panels * (width_ + gap) + gap, 3});
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
    const Picture& pixels() const { return pixels_; }

  private:
    /// Of the square of step x step pixels that begins there.
    template <class F>
    std::array<std::uint8_t, 3> mean(F&& colour, std::size_t top, std::size_t left) const {
        std::array<std::size_t, 3> sum{};
        std::size_t count = 0;
        for (std::size_t y = top; y < std::min(top + step_, from_height_); ++y)
            for (std::size_t x = left; x < std::min(left + step_, from_width_); ++x, ++count) {
                const std::array<std::uint8_t, 3> c = colour(y, x);
                for (std::size_t k = 0; k < 3; ++k) sum[k] += c[k];
            }
        std::array<std::uint8_t, 3> c{};
        for (std::size_t k = 0; k < 3; ++k) c[k] = static_cast<std::uint8_t>((sum[k] + count / 2) / count);
        return c;
    }

    static constexpr std::size_t gap = 8;
    std::size_t zoom_, step_, from_height_, from_width_, height_, width_, at_ = 0;
    Picture pixels_;
};

/// From black over red and yellow to white.
std::array<std::uint8_t, 3> heat(float share) {
    return {to_byte(3 * share), to_byte(3 * share - 1), to_byte(3 * share - 2)};
}

/// Red where more of a pixel makes the picture stranger, blue where less does.
std::array<std::uint8_t, 3> signed_heat(float share) {
    const float fade = 1 - std::min(std::abs(share), 1.0F);
    return share > 0 ? std::array{to_byte(1), to_byte(fade), to_byte(fade)}
                     : std::array{to_byte(fade), to_byte(fade), to_byte(1)};
}

/// The value that all but one in a hundred stay below, so that one pixel does not darken the rest.
float high_value(std::vector<float> values) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() * 99 / 100);
    std::ranges::nth_element(values, at);
    return *at > 0 ? *at : 1;
}

} // namespace

Picture explanation_sheet(const Picture& picture, const Explained& e, const gradcon::ImageInput& input,
                          std::size_t least, std::size_t most) {
    const std::size_t height = picture.shape()[0], width = picture.shape()[1];
    const std::size_t from = picture.shape()[2], channels = e.map_shape[3];
    Sheet sheet(4, height, width, least, most);
    sheet.panel([&](std::size_t y, std::size_t x) {
        return std::array{picture(y, x, 0), picture(y, x, from == 1 ? 0 : 1), picture(y, x, from == 1 ? 0 : 2)};
    });
    sheet.panel([&](std::size_t y, std::size_t x) {
        const auto at = [&](std::size_t c) {
            const float value = e.reconstruction(0, y * e.sample_shape[1] / height, x * e.sample_shape[2] / width,
                                                 channels == 1 ? 0 : c);
            return to_byte((value - static_cast<float>(input.offset)) / static_cast<float>(input.scale));
        };
        return input.order == gradcon::PixelOrder::bgr ? std::array{at(2), at(1), at(0)}
                                                       : std::array{at(0), at(1), at(2)};
    });
    std::vector<float> residual(e.residual.begin(), e.residual.end());
    for (float& value : residual) value = std::sqrt(std::max(value, 0.0F));
    const float highest = high_value(residual);
    sheet.panel([&](std::size_t y, std::size_t x) { return heat(residual[y * width + x] / highest); });
    std::vector<float> attribution(height * width);
    for (std::size_t i = 0; i < attribution.size() * channels; ++i)
        attribution[i / channels] += e.attribution.data()[i];
    std::vector<float> sizes(attribution);
    for (float& size : sizes) size = std::abs(size);
    const float largest = high_value(sizes);
    sheet.panel([&](std::size_t y, std::size_t x) { return signed_heat(attribution[y * width + x] / largest); });
    return sheet.pixels();
}

std::vector<ExplainedNumber> explained_numbers(const Sample& sample, const Explained& e,
                                               const gradcon::TableInput& table) {
    std::vector<ExplainedNumber> numbers;
    for (std::size_t i = 0; i < sample.rows.size(); ++i) {
        const std::size_t k = i % table.width();
        std::string name = table.columns.empty() ? "column " + std::to_string(k) : table.columns[k];
        if (table.window > 1) name += " [" + std::to_string(i / table.width()) + "]";
        numbers.push_back({std::move(name), sample.rows[i],
                           table.means[k] + table.deviations[k] * double{e.reconstruction.data()[i]},
                           double{e.residual.data()[i]}, double{e.attribution.data()[i]}});
    }
    std::ranges::stable_sort(numbers, std::ranges::greater{}, &ExplainedNumber::error);
    return numbers;
}
