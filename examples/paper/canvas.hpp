#pragma once

#include <gradcon/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <vector>

// What conditions.hpp is made of: one image under way, and the ways to spoil it.
namespace paper::detail {

using namespace gradcon;

/// One image under way, height x width x channels, values 0 to 255 before rounding.
struct Picture {
    std::size_t height, width, channels;
    std::vector<double> values;

    double& at(std::size_t y, std::size_t x, std::size_t c) { return values[(y * width + x) * channels + c]; }
    /// The value at a place that may lie outside: the border's pixels go on for ever.
    double beyond(std::ptrdiff_t y, std::ptrdiff_t x, std::size_t c) const {
        const auto inside = [](std::ptrdiff_t i, std::size_t extent) {
            return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, static_cast<std::ptrdiff_t>(extent) - 1));
        };
        return values[(inside(y, height) * width + inside(x, width)) * channels + c];
    }
    /// Sizes below are for images of 32 pixels; larger images get larger drops, discs and spots.
    double unit() const { return std::max(static_cast<double>(std::min(height, width)) / 32, 1.0); }
};

/// Each pixel goes to `tone` by its opacity(y, x) in [0, 1].
template <class Opacity>
void veil(Picture& picture, double tone, Opacity&& opacity) {
    for (std::size_t y = 0; y < picture.height; ++y)
        for (std::size_t x = 0; x < picture.width; ++x) {
            const double share = opacity(static_cast<double>(y) + 0.5, static_cast<double>(x) + 0.5);
            for (std::size_t c = 0; c < picture.channels; ++c)
                picture.at(y, x, c) += share * (tone - picture.at(y, x, c));
        }
}

/// Each pixel goes to the mean of its channels by a share.
inline void decolorize(Picture& picture, double share) {
    for (auto pixel = picture.values.begin(); pixel != picture.values.end();) {
        const auto end = pixel + static_cast<std::ptrdiff_t>(picture.channels);
        const double grey = std::accumulate(pixel, end, 0.0) / static_cast<double>(picture.channels);
        for (; pixel != end; ++pixel) *pixel += share * (grey - *pixel);
    }
}

/// Strokes at random places: lines with soft ends and edges, or spots if they have no length.
struct Strokes {
    double count; // in an image of 32 x 32 units
    double tone, opacity;
    double slant = 0, length = 0; // slant: columns to the left for each row down
    double smallest, largest;     // radii
};
inline void draw(Picture& picture, const Strokes& strokes, Rng& rng) {
    struct Stroke {
        double y, x, radius;
    };
    const double unit = picture.unit();
    const double area = static_cast<double>(picture.height) * static_cast<double>(picture.width) / (unit * unit);
    std::vector<Stroke> all(static_cast<std::size_t>(std::ceil(strokes.count * area / 1024)));
    for (auto& [y, x, radius] : all) {
        y = uniform(rng, 0, static_cast<double>(picture.height));
        x = uniform(rng, 0, static_cast<double>(picture.width));
        radius = unit * uniform(rng, strokes.smallest, strokes.largest);
    }
    const double down = 1 / std::hypot(1, strokes.slant), left = strokes.slant * down, half = unit * strokes.length / 2;
    veil(picture, strokes.tone, [&](double y, double x) {
        double densest = 0;
        for (const auto& stroke : all) {
            const double dy = y - stroke.y, dx = x - stroke.x;
            const double along = std::clamp(dy * down - dx * left, -half, half); // nearest point of the line
            const double distance = std::hypot(dy - along * down, dx + along * left);
            densest = std::max(densest, std::clamp(1.5 - distance / stroke.radius, 0.0, 1.0));
        }
        return strokes.opacity * densest;
    });
}

/// The mean over a neighbourhood, with weight(dy, dx) for |dy| up to `rows` and |dx| up to `columns`.
template <class Weight>
void blur(Picture& picture, std::ptrdiff_t rows, std::ptrdiff_t columns, Weight&& weight) {
    const Picture from = picture;
    std::vector<double> weights;
    double sum = 0;
    for (std::ptrdiff_t dy = -rows; dy <= rows; ++dy)
        for (std::ptrdiff_t dx = -columns; dx <= columns; ++dx)
            sum += weights.emplace_back(weight(static_cast<double>(dy), static_cast<double>(dx)));
    for (std::size_t y = 0; y < picture.height; ++y)
        for (std::size_t x = 0; x < picture.width; ++x)
            for (std::size_t c = 0; c < picture.channels; ++c) {
                double total = 0;
                const double* w = weights.data();
                for (std::ptrdiff_t dy = -rows; dy <= rows; ++dy)
                    for (std::ptrdiff_t dx = -columns; dx <= columns; ++dx)
                        total += *w++ * from.beyond(static_cast<std::ptrdiff_t>(y) + dy,
                                                    static_cast<std::ptrdiff_t>(x) + dx, c);
                picture.at(y, x, c) = total / sum;
            }
}

/// Coded in 8 x 8 blocks: each goes through the cosine transform, whose coefficient (u, v) is rounded to a multiple of
/// coarseness * (1 + u + v), and back. A share `lost` of the blocks shows another place, up to 16 units off.
inline void code(Picture& picture, double coarseness, double lost, Rng& rng) {
    constexpr std::size_t side = 8;
    using Block = std::array<std::array<double, side>, side>;
    const auto product = [](const Block& a, const Block& b) {
        Block ab{};
        for (std::size_t i = 0; i < side; ++i)
            for (std::size_t k = 0; k < side; ++k)
                for (std::size_t j = 0; j < side; ++j) ab[i][j] += a[i][k] * b[k][j];
        return ab;
    };
    Block cosines{}, transposed{}; // an orthogonal matrix
    for (std::size_t u = 0; u < side; ++u)
        for (std::size_t x = 0; x < side; ++x)
            cosines[u][x] = transposed[x][u] = std::sqrt(u == 0 ? 0.125 : 0.25) *
                                               std::cos(static_cast<double>((2 * x + 1) * u) * std::numbers::pi / 16);

    const Picture from = picture;
    const double far = 16 * picture.unit();
    for (std::size_t top = 0; top < picture.height; top += side)
        for (std::size_t left = 0; left < picture.width; left += side) {
            const bool is_lost = uniform(rng, 0, 1) < lost;
            const auto down = static_cast<std::ptrdiff_t>(uniform(rng, -far, far)),
                       right = static_cast<std::ptrdiff_t>(uniform(rng, -far, far));
            const auto y0 = static_cast<std::ptrdiff_t>(top) + (is_lost ? down : 0),
                       x0 = static_cast<std::ptrdiff_t>(left) + (is_lost ? right : 0);
            for (std::size_t c = 0; c < picture.channels; ++c) {
                Block block{};
                for (std::size_t y = 0; y < side; ++y)
                    for (std::size_t x = 0; x < side; ++x)
                        block[y][x] =
                            from.beyond(y0 + static_cast<std::ptrdiff_t>(y), x0 + static_cast<std::ptrdiff_t>(x), c);
                block = product(product(cosines, block), transposed);
                for (std::size_t u = 0; u < side; ++u)
                    for (std::size_t v = 0; v < side; ++v) {
                        const double step = coarseness * static_cast<double>(1 + u + v);
                        block[u][v] = std::round(block[u][v] / step) * step;
                    }
                block = product(product(transposed, block), cosines);
                for (std::size_t y = 0; y < std::min(side, picture.height - top); ++y)
                    for (std::size_t x = 0; x < std::min(side, picture.width - left); ++x)
                        picture.at(top + y, left + x, c) = block[y][x];
            }
        }
}

} // namespace paper::detail
