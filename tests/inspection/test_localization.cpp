#include <gradcon/core/random.hpp>
#include <gradcon/inspection/localization.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

struct Picture {
    std::vector<float> scores;
    std::vector<std::uint8_t> mask;
    std::size_t width;
    std::vector<std::vector<std::size_t>> defects; // the pixels of each
};

/// Rectangles that do not touch, one in each quarter of 12 x 12 pixels or none.
Picture random_picture(gradcon::Rng& rng, std::size_t levels) {
    Picture picture{std::vector<float>(144), std::vector<std::uint8_t>(144), 12, {}};
    for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        if (gradcon::random_index(rng, 2) == 0) continue;
        const std::size_t y0 = quarter / 2 * 6 + 1, x0 = quarter % 2 * 6 + 1, h = 1 + gradcon::random_index(rng, 4),
                          w = 1 + gradcon::random_index(rng, 4);
        auto& pixels = picture.defects.emplace_back();
        for (std::size_t y = y0; y < y0 + h; ++y)
            for (std::size_t x = x0; x < x0 + w; ++x) pixels.push_back(y * 12 + x), picture.mask[y * 12 + x] = 255;
    }
    for (std::size_t i = 0; i < 144; ++i) // few levels, so that there are ties
        picture.scores[i] =
            static_cast<float>(gradcon::random_index(rng, levels) + (picture.mask[i] != 0 ? levels / 3 : 0));
    return picture;
}

/// By the definition, threshold by threshold.
double naive_aupro(const std::vector<Picture>& pictures, double limit) {
    std::vector<double> thresholds;
    for (const auto& p : pictures)
        for (const float s : p.scores) thresholds.push_back(double{s});
    std::ranges::sort(thresholds, std::greater<>());
    thresholds.erase(std::unique(thresholds.begin(), thresholds.end()), thresholds.end());
    double area = 0, last_x = 0, last_y = 0;
    for (const double t : thresholds) {
        double normal = 0, reached = 0, overlap = 0, defects = 0;
        for (const auto& p : pictures) {
            for (std::size_t i = 0; i < 144; ++i)
                if (p.mask[i] == 0) ++normal, reached += double{p.scores[i]} >= t ? 1 : 0;
            for (const auto& pixels : p.defects) {
                ++defects;
                overlap += static_cast<double>(
                               std::ranges::count_if(pixels, [&](std::size_t i) { return double{p.scores[i]} >= t; })) /
                           static_cast<double>(pixels.size());
            }
        }
        const double x = reached / normal, y = overlap / defects;
        if (x >= limit) {
            const double at = last_y + (y - last_y) * (limit - last_x) / (x - last_x);
            return (area + (limit - last_x) * (last_y + at) / 2) / limit;
        }
        area += (x - last_x) * (last_y + y) / 2;
        last_x = x, last_y = y;
    }
    return area / limit;
}

double naive_best_f1(const std::vector<Picture>& pictures) {
    double best = 0;
    for (const auto& from : pictures)
        for (const float t : from.scores) {
            double found = 0, wrong = 0, missed = 0;
            for (const auto& p : pictures)
                for (std::size_t i = 0; i < 144; ++i) {
                    const bool defect = p.mask[i] != 0, reached = p.scores[i] >= t;
                    if (defect) ++(reached ? found : missed);
                    else if (reached) ++wrong;
                }
            best = std::max(best, 2 * found / (2 * found + wrong + missed));
        }
    return best;
}

double naive_auroc(const std::vector<Picture>& pictures) {
    double pairs = 0, higher = 0;
    for (const auto& a : pictures)
        for (std::size_t i = 0; i < 144; ++i) {
            if (a.mask[i] == 0) continue;
            for (const auto& b : pictures)
                for (std::size_t j = 0; j < 144; ++j) {
                    if (b.mask[j] != 0) continue;
                    ++pairs;
                    higher += a.scores[i] > b.scores[j] ? 1 : a.scores[i] == b.scores[j] ? 0.5 : 0;
                }
        }
    return higher / pairs;
}

} // namespace

TEST_SUITE("localization") {
    TEST_CASE("pixel AUROC and AUPRO are those of the definitions") {
        gradcon::Rng rng(1);
        for (const std::size_t levels : {4U, 1000U}) {
            std::vector<Picture> pictures;
            gradcon::Localization metrics;
            std::size_t defects = 0;
            for (int i = 0; i < 8; ++i) {
                pictures.push_back(random_picture(rng, levels));
                const auto& p = pictures.back();
                defects += p.defects.size();
                metrics.add(std::span<const float>(p.scores),
                            p.defects.empty() ? std::span<const std::uint8_t>() : std::span<const std::uint8_t>(p.mask),
                            p.width);
            }
            CHECK(metrics.pixels() == 8 * 144);
            CHECK(metrics.defects() == defects);
            CHECK(metrics.auroc() == doctest::Approx(naive_auroc(pictures)).epsilon(1e-12));
            CHECK(metrics.best_f1() == doctest::Approx(naive_best_f1(pictures)).epsilon(1e-12));
            for (const double limit : {0.05, 0.3, 1.0})
                CHECK(metrics.aupro(limit) == doctest::Approx(naive_aupro(pictures, limit)).epsilon(1e-12));
        }
    }

    TEST_CASE("perfect maps have 1, and what cannot be measured is refused") {
        gradcon::Localization metrics;
        const std::vector<double> scores{0, 0, 5, 0};
        const std::vector<std::uint8_t> mask{0, 0, 1, 0};
        CHECK_THROWS_AS(metrics.auroc(), gradcon::ValueError);
        metrics.add(std::span<const double>(scores), {}, 2);
        CHECK_THROWS_AS(metrics.aupro(), gradcon::ValueError);
        gradcon::Localization good;
        good.add(std::span<const double>(scores), mask, 2);
        CHECK(good.auroc() == 1);
        CHECK(good.aupro() == doctest::Approx(1));
        CHECK(good.best_f1() == 1);
        CHECK_THROWS_AS(good.aupro(0), gradcon::ValueError);
        CHECK_THROWS_AS(good.add(std::span<const double>(scores), mask, 3), gradcon::ShapeError);
        CHECK_THROWS_AS(good.add(std::span<const double>(scores), std::span(mask).first(2), 2), gradcon::ShapeError);
    }
}
