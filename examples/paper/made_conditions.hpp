#pragma once

#include "canvas.hpp"
#include <gradcon/core/error.hpp>
#include <gradcon/core/random.hpp>
#include <gradcon/core/tensor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <string_view>

// Twelve challenging conditions after those of CURE-TSR (arXiv:1712.02463), made by simple models of our own: for tests
// of a detector with images that are at hand. Their levels are not CURE-TSR's, whose images come on request only.
namespace paper {

using namespace gradcon;

/// The conditions, with the numbers that CURE-TSR's file names give them.
enum class Condition {
    decolorization = 1, // every channel goes to the mean of all; of one channel nothing changes
    lens_blur,          // mean over a disc
    codec_error,        // 8 x 8 blocks with a coarse cosine transform, some taken from another place
    darkening,          // scaled down
    dirty_lens,         // large dark spots
    exposure,           // scaled up, until it clips
    gaussian_blur,      // weighted mean, weights normal
    noise,              // normal, independent for every pixel and channel
    rain,               // thin bright streaks, all slanted alike
    shadow,             // one side of a line through the image is darker
    snow,               // small white spots
    haze                // a bright veil, densest at the top
};

/// All of them, in that order.
inline constexpr std::array all_conditions{Condition::decolorization, Condition::lens_blur,  Condition::codec_error,
                                           Condition::darkening,      Condition::dirty_lens, Condition::exposure,
                                           Condition::gaussian_blur,  Condition::noise,      Condition::rain,
                                           Condition::shadow,         Condition::snow,       Condition::haze};

/// "lens blur", for tables and messages. @throws ValueError for a number that is no condition
inline std::string_view name(Condition condition) {
    constexpr std::array names{"decolorization", "lens blur", "codec error", "darkening", "dirty lens", "exposure",
                               "Gaussian blur",  "noise",     "rain",        "shadow",    "snow",       "haze"};
    const int number = static_cast<int>(condition);
    if (number < 1 || number > static_cast<int>(names.size()))
        throw ValueError(message("conditions are 1 to ", names.size(), "; given: ", number));
    return names[static_cast<std::size_t>(number - 1)];
}

namespace detail {

inline void spoil(Picture& picture, Condition condition, double level, Rng& rng) {
    const double unit = picture.unit(), opacity = 0.4 + 0.1 * level;
    const auto height = static_cast<double>(picture.height), width = static_cast<double>(picture.width);
    const auto scale = [&](double factor) {
        for (double& value : picture.values) value *= factor;
    };
    switch (condition) {
    case Condition::decolorization: decolorize(picture, 0.2 * level); break;
    case Condition::lens_blur: {
        const double radius = unit * (0.5 + 0.5 * level);
        const auto reach = static_cast<std::ptrdiff_t>(radius + 0.5);
        blur(picture, reach, reach,
             [&](double dy, double dx) { return std::clamp(radius + 0.5 - std::hypot(dy, dx), 0.0, 1.0); });
        break;
    }
    case Condition::codec_error: // pi: no flat block lies midway between two multiples, where rounding would decide
        code(picture, 4 * std::numbers::pi * level, 0.06 * level, rng);
        break;
    case Condition::darkening: scale(1 - 0.17 * level); break;
    case Condition::dirty_lens:
        draw(picture, {.count = 2 * level, .tone = 50, .opacity = opacity, .smallest = 2, .largest = 5}, rng);
        break;
    case Condition::exposure: scale(1 + 0.4 * level); break;
    case Condition::gaussian_blur: {
        const double deviation = unit * 0.5 * level;
        const auto reach = static_cast<std::ptrdiff_t>(3 * deviation + 1);
        const auto weight = [&](double dy, double dx) {
            return std::exp(-(dy * dy + dx * dx) / (2 * deviation * deviation));
        };
        blur(picture, 0, reach, weight); // separable
        blur(picture, reach, 0, weight);
        break;
    }
    case Condition::noise:
        for (double& value : picture.values) value += 12 * level * standard_normal(rng);
        break;
    case Condition::rain:
        draw(picture,
             {.count = 6 * level,
              .tone = 200,
              .opacity = opacity,
              .slant = 0.3,
              .length = 8,
              .smallest = 0.4,
              .largest = 0.7},
             rng);
        break;
    case Condition::shadow: {
        const double angle = uniform(rng, 0, 2 * std::numbers::pi), sine = std::sin(angle), cosine = std::cos(angle);
        const double y0 = height * uniform(rng, 0.35, 0.65), x0 = width * uniform(rng, 0.35, 0.65);
        veil(picture, 0, [&](double y, double x) {
            return 0.16 * level * std::clamp(0.5 + ((y - y0) * sine + (x - x0) * cosine) / (2 * unit), 0.0, 1.0);
        });
        break;
    }
    case Condition::snow:
        draw(picture, {.count = 10 * level, .tone = 250, .opacity = opacity, .smallest = 0.6, .largest = 1.2}, rng);
        break;
    case Condition::haze:
        veil(picture, 230, [&](double y, double) { return 0.17 * level * (1 - 0.5 * y / height); });
        break;
    }
}

} // namespace detail

/// Puts images under a condition. Every image has draws of its own, which do not depend on the level: from the same
/// generator a stronger level thickens the same noise, and adds to the same streaks, spots and lost blocks. A seed
/// gives the same draws on every platform, and the same bytes but for a few that may differ by 1, as products and
/// sines round there.
/// Sizes grow with the image, and so does the work for a pixel: meant for the small images that models take.
/// @param level 1 (weakest) to 5
/// @param images N x H x W x C, values 0 to 255
/// @return as many images of the same size
/// @throws ValueError for another level or no condition
inline Tensor<std::uint8_t, 4> apply(Condition condition, int level, Batch<std::uint8_t> images, Rng& rng) {
    if (level < 1 || level > 5)
        throw ValueError(message("the levels of ", name(condition), " are 1 to 5; given: ", level));
    name(condition); // refuses what is none
    const auto [count, height, width, channels] = images.shape();
    Tensor<std::uint8_t, 4> spoilt;
    spoilt.resize({count, height, width, channels});
    const std::uint8_t* from = images.data();
    std::uint8_t* to = spoilt.data();
    for (std::size_t n = 0; n < count; ++n) {
        detail::Picture picture{height, width, channels, {from, from + images.sample_size()}};
        from += images.sample_size();
        Rng own(rng());
        detail::spoil(picture, condition, level, own);
        for (const double value : picture.values)
            *to++ = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0) + 0.5);
    }
    return spoilt;
}

} // namespace paper
