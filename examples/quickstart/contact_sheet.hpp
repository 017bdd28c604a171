#pragma once

#include "../gradcon/readers/png.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Writes a PNG with the images of highest score, the highest first, row by row. Orange frames: anomalies, as it should
/// be; blue frames: normal images.
/// @param images N x height x width, values in [0, 1]
inline void write_contact_sheet(const std::string& path, const float* images, std::size_t height, std::size_t width,
                                std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    constexpr std::size_t columns = 12, rows = 5, zoom = 3, frame = 3;
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const std::size_t shown = std::min(order.size(), columns * rows);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                      [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });

    const std::size_t cell_height = height * zoom + 2 * frame, cell_width = width * zoom + 2 * frame;
    const std::size_t sheet_width = columns * cell_width, sheet_height = (shown + columns - 1) / columns * cell_height;
    std::vector<std::uint8_t> sheet(sheet_height * sheet_width * 3, 255);
    for (std::size_t n = 0; n < shown; ++n) {
        const std::array<std::uint8_t, 3> colour =
            anomalous[order[n]] ? std::array<std::uint8_t, 3>{230, 120, 20} : std::array<std::uint8_t, 3>{30, 90, 220};
        for (std::size_t y = 0; y < cell_height; ++y)
            for (std::size_t x = 0; x < cell_width; ++x) {
                std::uint8_t* pixel =
                    &sheet[((n / columns * cell_height + y) * sheet_width + n % columns * cell_width + x) * 3];
                const bool inside = y >= frame && x >= frame && y < cell_height - frame && x < cell_width - frame;
                if (!inside) {
                    std::copy(colour.begin(), colour.end(), pixel);
                    continue;
                }
                const float value = images[(order[n] * height + (y - frame) / zoom) * width + (x - frame) / zoom];
                std::fill_n(pixel, 3, static_cast<std::uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255.0F + 0.5F));
            }
    }
    readers::write_png(path, {sheet.data(), {sheet_height, sheet_width, 3}});
}
