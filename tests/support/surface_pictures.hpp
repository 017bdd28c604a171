#pragma once

#include <gradcon/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

/// Pictures of a surface of stripes, with a flaw or without.
namespace made_surfaces {

using Pixels = std::vector<std::uint8_t>;
inline constexpr std::size_t picture_height = 64, picture_width = 80;

/// A surface of stripes and noise; a flaw is a dark square of 10 x 10 pixels.
inline Pixels surface(gradcon::Rng& rng, bool flaw = false, std::size_t y0 = 30, std::size_t x0 = 44) {
    Pixels pixels(picture_height * picture_width);
    const double phase = gradcon::uniform(rng, 0, 6);
    for (std::size_t y = 0; y < picture_height; ++y)
        for (std::size_t x = 0; x < picture_width; ++x) {
            double v = 128 + 30 * std::sin(phase + 0.7 * double(x)) + 6 * gradcon::standard_normal(rng);
            if (flaw && y >= y0 && y < y0 + 10 && x >= x0 && x < x0 + 10) v = 60;
            pixels[y * picture_width + x] = static_cast<std::uint8_t>(std::clamp(v, 0.0, 255.0));
        }
    return pixels;
}

inline std::vector<Pixels> surfaces(std::size_t count, std::uint64_t seed) {
    gradcon::Rng rng(seed);
    std::vector<Pixels> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(surface(rng));
    return all;
}

} // namespace made_surfaces
