#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/features/feature_map.hpp"
#include "gradcon/image/image_input.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Patches at several scales: how large, and how far apart.
struct PatchOptions {
    std::size_t size = 6;                        // sides of a patch, in pixels of its scale; 2 to 1000
    std::vector<std::size_t> scales = {1, 2, 4}; // a patch covers size * scale pixels of the picture; 1 to 1000 each
    std::size_t stride = 6;                      // of the grid, in pixels of the picture; 1 or more
    bool colour = false;                         // three numbers a pixel instead of one

    friend bool operator==(const PatchOptions&, const PatchOptions&) = default;
};

/// Features that need no network: around each location of a grid, a patch of pixels at each scale, less its mean, and
/// the mean itself. On surfaces with a texture that repeats, the autoencoder of locations learns the texture from them.
/// Where normal pictures differ in light, form or content, a network's features are better.
///
/// A location is a place where the patches of all scales lie within the picture. Each scale gives size * size numbers,
/// and one more, the patch's mean; colours give three times as many.
class Patches {
  public:
    struct Workspace {
        ImageInputWorkspace<float> conversion;
        AlignedVector<float> pixels, reduced, map;
        FeatureMapView view;
    };

    /// @throws ValueError for an option out of its range
    explicit Patches(PatchOptions options = {}) : options_(std::move(options)) {
        const bool scaled = std::ranges::all_of(options_.scales, [](std::size_t s) { return s >= 1 && s <= 1000; });
        if (options_.size < 2 || options_.size > 1000 || options_.scales.empty() || !scaled || options_.stride == 0)
            throw ValueError(
                message("Patches: a size of 2 to 1000, one scale or more, each 1 to 1000, and a stride of 1 "
                        "or more are needed; given: size ",
                        options_.size, ", ", options_.scales.size(), " scales, stride ", options_.stride));
    }

    const PatchOptions& options() const { return options_; }
    std::size_t channels() const {
        return options_.scales.size() * (options_.size * options_.size + 1) * (options_.colour ? 3 : 1);
    }
    FeatureSettings settings() const {
        std::string scales;
        for (const std::size_t scale : options_.scales) scales += message(scales.empty() ? "" : " ", scale);
        return {{"features", "patches"},
                {"size", message(options_.size)},
                {"scales", scales},
                {"stride", message(options_.stride)},
                {"colour", options_.colour ? "yes" : "no"}};
    }
    /// The patches that have these settings. @throws ValueError for a setting that is missing or no number
    static Patches from(const FeatureSettings& settings) {
        const auto one = [&](const char* name) { return setting<std::size_t>(settings, name, 1).front(); };
        return Patches({.size = one("size"),
                        .scales = setting<std::size_t>(settings, "scales"),
                        .stride = one("stride"),
                        .colour = text_setting(settings, "colour") == "yes"});
    }
    /// The pixels that the largest patch covers along each side.
    std::size_t reach() const { return options_.size * *std::ranges::max_element(options_.scales); }

    /// @return one map  @throws ShapeError for a picture smaller than the largest patch
    template <Pixel P>
    std::span<const FeatureMapView> operator()(const ImageView<P>& picture, Workspace& w) const {
        picture.check();
        if (picture.height < reach() || picture.width < reach())
            throw ShapeError(message("a picture of ", picture.height, " x ", picture.width,
                                     " pixels is smaller than the largest patch, ", reach(), " x ", reach()));
        const std::size_t colours = options_.colour ? 3 : 1;
        w.pixels.resize(picture.height * picture.width * colours);
        convert(picture,
                {.height = picture.height,
                 .width = picture.width,
                 .order = options_.colour ? PixelOrder::rgb : PixelOrder::gray},
                w.conversion, w.pixels.data());

        const auto locations = [&](std::size_t side) { return (side - reach()) / options_.stride + 1; };
        const std::array shape{locations(picture.height), locations(picture.width), channels()};
        w.map.resize(element_count(shape));
        std::size_t channel = 0;
        for (const std::size_t scale : options_.scales) {
            add_scale(picture.height, picture.width, colours, scale, shape, channel, w);
            channel += (options_.size * options_.size + 1) * colours;
        }
        w.view = {w.map.data(), shape};
        return {&w.view, 1};
    }

  private:
    /// Writes the channels of one scale. A pixel of the scale is the mean of scale x scale pixels of the picture.
    void add_scale(std::size_t height, std::size_t width, std::size_t colours, std::size_t scale,
                   const std::array<std::size_t, 3>& shape, std::size_t channel, Workspace& w) const {
        const std::size_t size = options_.size, covered = size * scale, margin = (reach() - covered) / 2;
        const std::size_t row = width * colours;
        w.reduced.resize(w.pixels.size());
        const float factor = 1 / static_cast<float>(scale * scale);
        const std::size_t reduced_width = width - scale + 1, reduced_height = height - scale + 1;
        const float* source = w.pixels.data();
        if (scale > 1) {
            for (std::size_t y = 0; y < reduced_height; ++y) {
                float* to = w.reduced.data() + y * row;
                std::fill_n(to, row, 0.0F);
                for (std::size_t k = 0; k < scale; ++k) {
                    const float* from = w.pixels.data() + (y + k) * row;
                    for (std::size_t x = 0; x < row; ++x) to[x] += from[x];
                }
                // in place, from the left: what is read lies at the place written or to the right of it
                for (std::size_t x = 0; x < reduced_width; ++x)
                    for (std::size_t c = 0; c < colours; ++c) {
                        float sum = 0;
                        for (std::size_t k = 0; k < scale; ++k) sum += to[(x + k) * colours + c];
                        to[x * colours + c] = sum * factor;
                    }
            }
            source = w.reduced.data();
        }
        const std::size_t values = size * size;
        for (std::size_t ly = 0; ly < shape[0]; ++ly)
            for (std::size_t lx = 0; lx < shape[1]; ++lx) {
                float* to = w.map.data() + (ly * shape[1] + lx) * shape[2] + channel;
                const float* from =
                    source + (ly * options_.stride + margin) * row + (lx * options_.stride + margin) * colours;
                for (std::size_t c = 0; c < colours; ++c, to += values + 1) {
                    float sum = 0;
                    for (std::size_t py = 0; py < size; ++py)
                        for (std::size_t px = 0; px < size; ++px) {
                            const float value = from[py * scale * row + px * scale * colours + c];
                            to[py * size + px] = value;
                            sum += value;
                        }
                    const float mean = sum / static_cast<float>(values);
                    for (std::size_t i = 0; i < values; ++i) to[i] -= mean;
                    to[values] = mean;
                }
            }
    }

    PatchOptions options_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
