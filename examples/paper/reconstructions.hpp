#pragma once

#include "figure.hpp"
#include "study.hpp"

#include "../gradcon/readers/png.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Normal images and anomalies of the test set, each above what the detector makes of it.
inline Figure reconstructions(Study& study, const Experiment& e) {
    constexpr std::size_t across = 10, zoom = 2, side = 28, gap = 4, cell = side * zoom + gap;
    const Data data = study.sets.data(e);
    const std::size_t samples = data.anomalous.size(), shown = std::min(across, samples / 2);
    Images chosen;
    const std::size_t channels = data.test.shape()[3], size = side * side * channels;
    chosen.resize({2 * shown, side, side, channels});
    std::copy_n(data.test.data(), shown * size, chosen.data());
    std::copy_n(data.test.data() + (samples - shown) * size, shown * size, chosen.data() + shown * size);
    const Images back = study.reconstruct(e, chosen);

    constexpr std::size_t rows = 4;
    const std::size_t width = shown * cell, height = rows * cell;
    std::vector<std::uint8_t> pixels(width * height * 3, 255);
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t n = 0; n < shown; ++n)
            for (std::size_t y = 0; y < side * zoom; ++y)
                for (std::size_t x = 0; x < side * zoom; ++x)
                    for (std::size_t c = 0; c < 3; ++c) {
                        const Images& from = row % 2 ? back : chosen;
                        const float value = from(row / 2 * shown + n, y / zoom, x / zoom, std::min(c, channels - 1));
                        pixels[((row * cell + y) * width + n * cell + x) * 3 + c] =
                            static_cast<std::uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255 + 0.5F);
                    }

    return {e.set + "-reconstructions",
            "Normal test images (class " + std::to_string(e.inlier) +
                "), each above its reconstruction, and below them anomalies above theirs.",
            "", readers::encode_png({pixels.data(), {height, width, 3}})};
}
