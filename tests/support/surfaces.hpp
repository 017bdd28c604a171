#pragma once

#include <gradcon/inspection.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

/// Pictures of a surface, and an inspector that has learned them.
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

inline gradcon::ImageView<std::uint8_t> view(const Pixels& pixels) {
    return {.data = pixels.data(), .height = picture_height, .width = picture_width};
}

inline std::vector<gradcon::ImageView<std::uint8_t>> views(const std::vector<Pixels>& pictures) {
    std::vector<gradcon::ImageView<std::uint8_t>> all;
    for (const Pixels& pixels : pictures) all.push_back(view(pixels));
    return all;
}

using Inspector = gradcon::Inspector<gradcon::Patches>;

inline const gradcon::Patches patches({.size = 4, .scales = {2}, .stride = 4});

inline gradcon::LearnLocalOptions options() {
    gradcon::LearnLocalOptions o;
    o.widths = {16, 5};
    o.epochs = 6;
    o.locations = 3000;
    o.false_alarm_rate = 0.1;
    return o;
}

inline std::vector<Pixels> surfaces(std::size_t count, std::uint64_t seed) {
    gradcon::Rng rng(seed);
    std::vector<Pixels> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(surface(rng));
    return all;
}

inline Inspector learned(gradcon::Executor* executor = nullptr) {
    const auto normal = surfaces(80, 1);
    auto o = options();
    o.executor = executor;
    return gradcon::learn_local(patches, views(normal), o);
}

} // namespace made_surfaces
