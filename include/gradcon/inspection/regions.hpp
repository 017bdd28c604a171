#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/tensor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A rectangle of pixels: columns left to right - 1, rows top to bottom - 1.
struct Box {
    std::size_t left = 0, top = 0, right = 0, bottom = 0;
    friend bool operator==(const Box&, const Box&) = default;
};

/// A defect as a score map shows it: neighbouring locations that reach a threshold.
struct Region {
    Box box;              // in locations of the map, or in pixels of the picture: see who made it
    std::size_t area = 0; // locations, or pixels
    double peak = 0;      // the largest score in it
    std::size_t peak_y = 0, peak_x = 0;
    double p_value = std::numeric_limits<double>::quiet_NaN(); // of its peak, where there is a calibration
};

/// What finding regions writes.
struct RegionWorkspace {
    std::vector<std::uint32_t> labels; // of each location: 1 for the first region, and so on; 0 for none
    std::vector<std::size_t> open;     // locations whose neighbours are still to be seen
};

/// The regions of a map: locations that reach the threshold and touch one another, at a side or a corner. A location
/// that is not a number reaches every threshold.
/// @param scores height * width  @param regions become them, in the order of their first locations
inline void find_regions(std::span<const double> scores, std::size_t width, double threshold, RegionWorkspace& w,
                         std::vector<Region>& regions) {
    regions.clear();
    if (width == 0 || scores.size() % width != 0)
        throw ShapeError(message("find_regions: ", scores.size(), " scores do not fill rows of ", width));
    const std::size_t height = scores.size() / width;
    const auto reaches = [&](std::size_t i) { return scores[i] >= threshold || is_nan(scores[i]); };
    w.labels.assign(scores.size(), 0);
    for (std::size_t first = 0; first < scores.size(); ++first) {
        if (w.labels[first] != 0 || !reaches(first)) continue;
        Region region{.box = {width, height, 0, 0}, .peak = -std::numeric_limits<double>::infinity()};
        const auto label = static_cast<std::uint32_t>(regions.size() + 1);
        w.labels[first] = label;
        w.open.assign(1, first);
        while (!w.open.empty()) {
            const std::size_t i = w.open.back(), y = i / width, x = i % width;
            w.open.pop_back();
            ++region.area;
            region.box = {std::min(region.box.left, x), std::min(region.box.top, y), std::max(region.box.right, x + 1),
                          std::max(region.box.bottom, y + 1)};
            const double score = is_nan(scores[i]) ? std::numeric_limits<double>::infinity() : scores[i];
            if (region.area == 1 || score > region.peak) region.peak = score, region.peak_y = y, region.peak_x = x;
            for (std::size_t ny = y > 0 ? y - 1 : 0; ny < std::min(height, y + 2); ++ny)
                for (std::size_t nx = x > 0 ? x - 1 : 0; nx < std::min(width, x + 2); ++nx) {
                    const std::size_t n = ny * width + nx;
                    if (w.labels[n] != 0 || !reaches(n)) continue;
                    w.labels[n] = label;
                    w.open.push_back(n);
                }
        }
        regions.push_back(region);
    }
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
