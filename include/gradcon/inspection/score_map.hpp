#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/features/grid.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <vector>

// From the scores of locations to the score of a picture.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A Gaussian filter of a map. Beyond the border there is nothing: the weights of what is there add up to 1. A score
/// that is not a number makes its neighbours so.
class MapSmoothing {
  public:
    /// @param deviation of the Gaussian in locations, 0 to 100; 0 leaves maps as they are
    explicit MapSmoothing(double deviation = 1) : deviation_(deviation) {
        if (!(deviation >= 0 && deviation <= 100))
            throw ValueError(message("MapSmoothing: a deviation from 0 to 100 is needed; given: ", deviation));
        if (deviation == 0) return;
        const auto reach = static_cast<std::size_t>(std::ceil(3 * deviation));
        for (std::size_t i = 0; i <= reach; ++i)
            weights_.push_back(std::exp(-static_cast<double>(i * i) / (2 * deviation * deviation)));
    }

    double deviation() const { return deviation_; }

    /// @param map height * width scores, smoothed in place  @param storage room for as many
    void apply(std::span<double> map, std::size_t width, std::vector<double>& storage) const {
        if (weights_.empty() || map.empty()) return;
        const std::size_t height = map.size() / width;
        storage.resize(map.size());
        for (std::size_t y = 0; y < height; ++y)
            for (std::size_t x = 0; x < width; ++x) storage[y * width + x] = along(map.data() + y * width, 1, width, x);
        for (std::size_t y = 0; y < height; ++y)
            for (std::size_t x = 0; x < width; ++x) map[y * width + x] = along(storage.data() + x, width, height, y);
    }

  private:
    double along(const double* line, std::size_t step, std::size_t length, std::size_t at) const {
        double sum = weights_[0] * line[at * step], weight = weights_[0];
        for (std::size_t i = 1; i < weights_.size(); ++i) {
            if (at >= i) sum += weights_[i] * line[(at - i) * step], weight += weights_[i];
            if (at + i < length) sum += weights_[i] * line[(at + i) * step], weight += weights_[i];
        }
        return sum / weight;
    }

    double deviation_;
    std::vector<double> weights_; // of the distances 0, 1, ...
};

/// The mean of the highest scores: of a share of them, one or more. NaN when one of the scores is not a number.
/// @param share in [0, 1]; 0 takes the highest score alone
/// @param storage room for as many  @throws ValueError without scores, or for a share out of range
inline double mean_of_highest(std::span<const double> scores, double share, std::vector<double>& storage) {
    if (scores.empty() || !(share >= 0 && share <= 1))
        throw ValueError(message("mean_of_highest: one score or more and a share in [0, 1] are needed; given: ",
                                 scores.size(), " and ", share));
    if (std::ranges::any_of(scores, [](double s) { return is_nan(s); }))
        return std::numeric_limits<double>::quiet_NaN();
    const auto count =
        std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(share * static_cast<double>(scores.size()))));
    storage.assign(scores.begin(), scores.end());
    const auto end = storage.begin() + static_cast<std::ptrdiff_t>(count);
    std::ranges::nth_element(storage, end - 1, std::greater<>());
    std::sort(storage.begin(), end, std::greater<>()); // one order of summing, one result
    double sum = 0;
    for (auto i = storage.begin(); i != end; ++i) sum += *i;
    return sum / static_cast<double>(count);
}

/// A map as large as the picture, by bilinear interpolation between the centres of the locations. Pixels beyond the
/// outermost centres, those of the margin too, get the score of the nearest.
/// @param map rows of `width` scores  @param margin locations left out at each border of the map
/// @param picture becomes picture_height * picture_width scores
/// @throws ShapeError when the scores do not fill rows
inline void enlarge(std::span<const double> map, std::size_t width, std::size_t margin, std::size_t picture_height,
                    std::size_t picture_width, std::vector<double>& picture) {
    if (width == 0 || map.empty() || map.size() % width != 0)
        throw ShapeError(message("enlarge: ", map.size(), " scores do not fill rows of ", width));
    const std::size_t height = map.size() / width;
    picture.resize(picture_height * picture_width);
    for (std::size_t y = 0; y < picture_height; ++y) {
        const detail::Between v(y, height, picture_height, margin);
        for (std::size_t x = 0; x < picture_width; ++x) {
            const detail::Between h(x, width, picture_width, margin);
            const auto along = [&](std::size_t row) {
                const double left = map[row * width + h.first];
                return left + h.weight * (map[row * width + h.second] - left);
            };
            const double top = along(v.first);
            picture[y * picture_width + x] = top + v.weight * (along(v.second) - top);
        }
    }
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
