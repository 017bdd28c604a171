#pragma once

#include "gradcon/features/feature_map.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What joining maps writes; one for each thread.
struct GridWorkspace {
    AlignedVector<float> grid, mean, column; // mean, column: one map after averaging, and on the way to it
};

namespace detail {

/// The mean of each location and its neighbours in a window of 3 x 3, as many as the map has.
inline void mean_3x3(FeatureMapView map, AlignedVector<float>& column, AlignedVector<float>& mean) {
    const std::size_t height = map.shape(0), width = map.shape(1), channels = map.shape(2), row = width * channels;
    mean.resize(height * row);
    column.resize(row);
    for (std::size_t y = 0; y < height; ++y) {
        const std::size_t top = y > 0 ? y - 1 : y, bottom = std::min(y + 1, height - 1);
        for (std::size_t i = 0; i < row; ++i) {
            float sum = 0;
            for (std::size_t r = top; r <= bottom; ++r) sum += map.data()[r * row + i];
            column[i] = sum;
        }
        for (std::size_t x = 0; x < width; ++x) {
            const std::size_t left = x > 0 ? x - 1 : x, right = std::min(x + 1, width - 1);
            const float factor = 1 / static_cast<float>((bottom - top + 1) * (right - left + 1));
            float* to = mean.data() + y * row + x * channels;
            for (std::size_t c = 0; c < channels; ++c) {
                float sum = 0;
                for (std::size_t k = left; k <= right; ++k) sum += column[k * channels + c];
                to[c] = sum * factor;
            }
        }
    }
}

/// Where location i of `to` lies among `from` locations: pixels are squares, and their centres are compared. Between
/// `first` and `first + 1`, or at the last.
struct Between {
    std::size_t first, second;
    double weight; // of the second
    /// @param margin of places on either side that the `from` locations lack
    Between(std::size_t i, std::size_t from, std::size_t to, std::size_t margin = 0) {
        const double at =
            (static_cast<double>(i) + 0.5) * static_cast<double>(from + 2 * margin) / static_cast<double>(to) - 0.5 -
            static_cast<double>(margin);
        const double inside = std::clamp(at, 0.0, static_cast<double>(from - 1));
        first = static_cast<std::size_t>(inside);
        second = std::min(first + 1, from - 1);
        weight = inside - static_cast<double>(first);
    }
};

} // namespace detail

/// The place in `maps` of the map whose size a grid takes when none is asked for: of the second largest, or the only.
/// @throws ShapeError for no maps, or one without locations
inline std::size_t grid_map(std::span<const FeatureMapView> maps) {
    if (maps.empty()) throw ShapeError("the feature extractor gave no map");
    const auto locations = [](const FeatureMapView& map) { return map.shape(0) * map.shape(1); };
    std::size_t largest = 0, second = maps.size();
    for (std::size_t i = 0; i < maps.size(); ++i) {
        if (maps[i].size() == 0)
            throw ShapeError(message("feature map ", i, " is empty: ", maps[i].shape(0), " x ", maps[i].shape(1), " x ",
                                     maps[i].shape(2)));
        if (locations(maps[i]) > locations(maps[largest])) largest = i;
    }
    for (std::size_t i = 0; i < maps.size(); ++i)
        if (i != largest && (second == maps.size() || locations(maps[i]) > locations(maps[second]))) second = i;
    return second == maps.size() ? largest : second;
}

/// Several maps of one picture as one: each averaged over 3 x 3 locations, brought to height x width by bilinear
/// interpolation, and their channels laid behind one another. Allocates nothing once the workspace is warm.
/// @param maps one or more  @param average false leaves out the averaging
/// @return height x width x sum of channels, in the workspace until it is used again
/// @throws ShapeError for no maps, or one without locations
inline FeatureMapView join(std::span<const FeatureMapView> maps, std::size_t height, std::size_t width,
                           GridWorkspace& workspace, bool average = true) {
    grid_map(maps); // checks
    std::size_t channels = 0, offset = 0;
    for (const FeatureMapView& map : maps) channels += map.shape(2);
    const std::array shape{height, width, channels};
    workspace.grid.resize(element_count(shape));
    float* const grid = workspace.grid.data();
    for (const FeatureMapView& map : maps) {
        const std::size_t own = map.shape(2), row = map.shape(1) * own;
        const float* from = map.data();
        if (average) {
            detail::mean_3x3(map, workspace.column, workspace.mean);
            from = workspace.mean.data();
        }
        for (std::size_t y = 0; y < height; ++y) {
            const detail::Between v(y, map.shape(0), height);
            const float down = static_cast<float>(v.weight);
            const float *top = from + v.first * row, *bottom = from + v.second * row;
            for (std::size_t x = 0; x < width; ++x) {
                const detail::Between h(x, map.shape(1), width);
                const float right = static_cast<float>(h.weight);
                const float *a = top + h.first * own, *b = top + h.second * own, *c = bottom + h.first * own,
                            *d = bottom + h.second * own;
                float* to = grid + (y * width + x) * channels + offset;
                for (std::size_t k = 0; k < own; ++k) {
                    const float upper = a[k] + right * (b[k] - a[k]), lower = c[k] + right * (d[k] - c[k]);
                    to[k] = upper + down * (lower - upper);
                }
            }
        }
        offset += own;
    }
    return {grid, shape};
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
