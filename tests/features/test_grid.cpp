#include <gradcon/core/random.hpp>
#include <gradcon/features/grid.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace {

struct Map {
    std::size_t height, width, channels;
    std::vector<float> values;
    gradcon::FeatureMapView view() const { return {values.data(), {height, width, channels}}; }
    double at(std::size_t y, std::size_t x, std::size_t c) const {
        return double{values[(y * width + x) * channels + c]};
    }
};

Map random_map(std::size_t height, std::size_t width, std::size_t channels, gradcon::Rng& rng) {
    Map map{height, width, channels, std::vector<float>(height * width * channels)};
    for (float& v : map.values) v = static_cast<float>(gradcon::uniform(rng, -1, 1));
    return map;
}

double mean_around(const Map& map, std::size_t y, std::size_t x, std::size_t c) {
    double sum = 0;
    int count = 0;
    for (std::size_t v = y > 0 ? y - 1 : 0; v <= std::min(y + 1, map.height - 1); ++v)
        for (std::size_t u = x > 0 ? x - 1 : 0; u <= std::min(x + 1, map.width - 1); ++u)
            sum += map.at(v, u, c), ++count;
    return sum / count;
}

/// Bilinear interpolation, pixels as squares, as torch.nn.functional.interpolate(align_corners=False) has it.
template <class At>
double interpolated(const At& at, std::size_t height, std::size_t width, double y, double x) {
    y = std::clamp(y, 0.0, static_cast<double>(height - 1));
    x = std::clamp(x, 0.0, static_cast<double>(width - 1));
    const auto y0 = static_cast<std::size_t>(y), x0 = static_cast<std::size_t>(x), y1 = std::min(y0 + 1, height - 1),
               x1 = std::min(x0 + 1, width - 1);
    const double v = y - static_cast<double>(y0), u = x - static_cast<double>(x0);
    return (1 - v) * ((1 - u) * at(y0, x0) + u * at(y0, x1)) + v * ((1 - u) * at(y1, x0) + u * at(y1, x1));
}

} // namespace

TEST_SUITE("grid") {
    TEST_CASE("maps are averaged, interpolated and laid behind one another, as the naive formulas say") {
        gradcon::Rng rng(5);
        const Map fine = random_map(12, 9, 3, rng), middle = random_map(6, 5, 2, rng),
                  coarse = random_map(1, 2, 4, rng);
        const std::vector<gradcon::FeatureMapView> maps{fine.view(), middle.view(), coarse.view()};
        CHECK(gradcon::grid_map(maps) == 1);
        gradcon::GridWorkspace w;
        for (const bool average : {true, false}) {
            const auto grid = gradcon::join(maps, 6, 5, w, average);
            REQUIRE(grid.shape() == std::array<std::size_t, 3>{6, 5, 9});
            for (std::size_t y = 0; y < 6; ++y)
                for (std::size_t x = 0; x < 5; ++x) {
                    std::size_t offset = 0;
                    for (const Map* map : {&fine, &middle, &coarse}) {
                        for (std::size_t c = 0; c < map->channels; ++c) {
                            const double expected = interpolated(
                                [&](std::size_t v, std::size_t u) {
                                    return average ? mean_around(*map, v, u, c) : map->at(v, u, c);
                                },
                                map->height, map->width, (double(y) + 0.5) * double(map->height) / 6 - 0.5,
                                (double(x) + 0.5) * double(map->width) / 5 - 0.5);
                            CHECK(std::abs(double{grid.data()[(y * 5 + x) * 9 + offset + c]} - expected) < 1e-6);
                        }
                        offset += map->channels;
                    }
                }
        }
    }

    TEST_CASE("no maps, and maps without locations, are refused") {
        gradcon::GridWorkspace w;
        CHECK_THROWS_AS(gradcon::join({}, 2, 2, w), gradcon::ShapeError);
        const std::vector<gradcon::FeatureMapView> empty{{nullptr, {0, 3, 2}}};
        CHECK_THROWS_WITH_AS(gradcon::join(empty, 2, 2, w), "feature map 0 is empty: 0 x 3 x 2", gradcon::ShapeError);
    }
}
