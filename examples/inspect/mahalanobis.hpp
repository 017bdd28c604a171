#pragma once

#include "surfaces.hpp"

#include <gradcon/kernels/whitening.hpp>

#include <algorithm>
#include <functional>
#include <numeric>

/// The simple method to compare with: the Mahalanobis distance of patches of 8 x 8 pixels at half size, the mean of the
/// five highest.
class MahalanobisOfPatches {
  public:
    MahalanobisOfPatches(const std::vector<surfaces::Picture>& normal, gradcon::Rng& rng) : mean_(64) {
        std::vector<double> products(64 * 64);
        std::vector<float> patches;
        for (const auto& picture : normal) {
            const std::vector<float> half = half_size(picture);
            const std::size_t rows = picture.height / 2, columns = picture.width / 2;
            for (int k = 0; k < 200; ++k)
                append(half, columns, gradcon::random_index(rng, rows - 7), gradcon::random_index(rng, columns - 7),
                       patches);
        }
        gradcon::kernels::add_outer_squares(std::span<const float>(patches), 0, 1, std::span(mean_),
                                            std::span(products));
        const double count = static_cast<double>(patches.size() / 64);
        for (double& v : mean_) v /= count;
        for (double& v : products) v /= count;
        const auto whitening = gradcon::kernels::whitening(mean_, products);
        whitening_.assign(whitening.begin(), whitening.end());
    }

    double score(const surfaces::Picture& picture) const {
        const std::vector<float> half = half_size(picture);
        const std::size_t rows = picture.height / 2, columns = picture.width / 2;
        std::vector<double> distances;
        std::vector<float> patch;
        gradcon::AlignedVector<float> centred;
        for (std::size_t y = 0; y + 8 <= rows; y += 4)
            for (std::size_t x = 0; x + 8 <= columns; x += 4) {
                patch.clear();
                append(half, columns, y, x, patch);
                distances.push_back(gradcon::kernels::mahalanobis(std::span<const float>(whitening_),
                                                                  std::span<const double>(mean_),
                                                                  std::span<const float>(patch), centred));
            }
        std::ranges::partial_sort(distances, distances.begin() + 5, std::greater<>());
        return std::accumulate(distances.begin(), distances.begin() + 5, 0.0) / 5;
    }

  private:
    static std::vector<float> half_size(const surfaces::Picture& picture) {
        std::vector<float> half;
        for (std::size_t y = 0; y + 1 < picture.height; y += 2)
            for (std::size_t x = 0; x + 1 < picture.width; x += 2) {
                const std::uint8_t* p = picture.pixels.data() + y * picture.width + x;
                half.push_back(static_cast<float>(p[0] + p[1] + p[picture.width] + p[picture.width + 1]) / 4);
            }
        return half;
    }
    static void append(const std::vector<float>& half, std::size_t columns, std::size_t y, std::size_t x,
                       std::vector<float>& to) {
        for (std::size_t v = 0; v < 8; ++v)
            for (std::size_t u = 0; u < 8; ++u) to.push_back(half[(y + v) * columns + x + u]);
    }

    std::vector<double> mean_;
    gradcon::AlignedVector<float> whitening_;
};
