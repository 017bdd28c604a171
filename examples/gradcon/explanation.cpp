#include "explanation.hpp"

#include "sheet.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace {

std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255 + 0.5F); }

/// From black over red and yellow to white.
Colour heat(float share) { return {to_byte(3 * share), to_byte(3 * share - 1), to_byte(3 * share - 2)}; }

/// Red where more of a pixel makes the picture stranger, blue where less does.
Colour signed_heat(float share) {
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
    const std::size_t channels = e.map_shape[3];
    Sheet sheet(4, height, width, least, most);
    sheet.panel([&](std::size_t y, std::size_t x) { return colour_at(picture, y, x); });
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
