#pragma once

#include <gradcon/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

// Pictures of brushed metal with scratches, spots and dents, made by this program. They are artificial: light, texture
// and flaws of real parts vary more.
namespace surfaces {

struct Picture {
    std::size_t height, width;
    std::vector<std::uint8_t> pixels; // gray
    std::vector<std::uint8_t> flaw;   // 1 where the flaw is; empty for a normal picture
};

enum class Flaw { none, scratch, spot, dent };

/// @param flaw of 10 to 40 pixels, at a random place, 4 to 24 gray levels brighter or darker at its peak
inline Picture brushed_metal(std::size_t height, std::size_t width, Flaw flaw, gradcon::Rng& rng) {
    Picture picture{height, width, std::vector<std::uint8_t>(height * width), {}};
    std::vector<double> light(height * width);
    const double level = gradcon::uniform(rng, 110, 150), tilt_y = gradcon::uniform(rng, -15, 15),
                 tilt_x = gradcon::uniform(rng, -15, 15);
    for (std::size_t y = 0; y < height; ++y) {
        // brushing: each row has its own brightness and a slow change along it
        double streak = 7 * gradcon::standard_normal(rng), change = 0;
        for (std::size_t x = 0; x < width; ++x) {
            change = 0.98 * change + 0.8 * gradcon::standard_normal(rng);
            light[y * width + x] = level + tilt_y * static_cast<double>(y) / static_cast<double>(height) +
                                   tilt_x * static_cast<double>(x) / static_cast<double>(width) + streak + change +
                                   3 * gradcon::standard_normal(rng);
        }
    }
    if (flaw != Flaw::none) {
        picture.flaw.assign(height * width, 0);
        const double size = gradcon::uniform(rng, 10, 40), angle = gradcon::uniform(rng, 0, std::numbers::pi),
                     centre_y = gradcon::uniform(rng, 40, static_cast<double>(height) - 40),
                     centre_x = gradcon::uniform(rng, 40, static_cast<double>(width) - 40),
                     strength = gradcon::uniform(rng, 4, 24) * (gradcon::uniform(rng, 0, 1) < 0.5 ? -1 : 1);
        for (std::size_t y = 0; y < height; ++y)
            for (std::size_t x = 0; x < width; ++x) {
                const double dy = static_cast<double>(y) - centre_y, dx = static_cast<double>(x) - centre_x;
                const double along = dx * std::cos(angle) + dy * std::sin(angle),
                             across = dy * std::cos(angle) - dx * std::sin(angle), distance = std::hypot(dx, dy);
                double change = 0;
                if (flaw == Flaw::scratch && std::abs(along) < size / 2)
                    change = strength * std::exp(-across * across / 2);
                if (flaw == Flaw::spot) change = strength / (1 + std::exp(2 * (distance - size / 4)));
                if (flaw == Flaw::dent) { // bright on one side, dark on the other
                    const double reach = distance / (size / 4);
                    change = 1.65 * strength * along / (size / 4) * std::exp(-reach * reach / 2);
                }
                light[y * width + x] += change;
                if (std::abs(change) > std::abs(strength) / 4) picture.flaw[y * width + x] = 1;
            }
    }
    for (std::size_t i = 0; i < light.size(); ++i)
        picture.pixels[i] = static_cast<std::uint8_t>(std::clamp(light[i] + 0.5, 0.0, 255.0));
    return picture;
}

} // namespace surfaces
