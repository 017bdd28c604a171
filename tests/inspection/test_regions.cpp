#include <gradcon/core/random.hpp>
#include <gradcon/inspection/regions.hpp>

#include <doctest/doctest.h>

#include <map>
#include <numeric>

namespace {

using gradcon::Box, gradcon::Region;

/// Regions by joining pairs of neighbours until nothing changes.
std::map<std::size_t, std::size_t> naive_areas(const std::vector<double>& scores, std::size_t width, double threshold) {
    std::vector<std::size_t> root(scores.size());
    std::iota(root.begin(), root.end(), std::size_t{0});
    const std::size_t height = scores.size() / width;
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t i = 0; i < scores.size(); ++i)
            for (std::size_t j = 0; j < scores.size(); ++j) {
                const auto apart = [](std::size_t a, std::size_t b) { return a > b ? a - b : b - a; };
                if (scores[i] < threshold || scores[j] < threshold || apart(i / width, j / width) > 1 ||
                    apart(i % width, j % width) > 1 || root[i] == root[j])
                    continue;
                root[i] = root[j] = std::min(root[i], root[j]);
                changed = true;
            }
    }
    std::map<std::size_t, std::size_t> areas; // by their first locations
    for (std::size_t i = 0; i < height * width; ++i)
        if (scores[i] >= threshold) ++areas[root[i]];
    return areas;
}

} // namespace

TEST_SUITE("regions") {
    TEST_CASE("boxes, areas and peaks; corners touch") {
        const std::vector<double> map{
            5, 0, 0, 0, 7, //
            0, 6, 0, 0, 0, //
            0, 0, 0, 9, 9, //
        };
        gradcon::RegionWorkspace w;
        std::vector<Region> regions;
        gradcon::find_regions(map, 5, 5, w, regions);
        REQUIRE(regions.size() == 3);
        CHECK(regions[0].box == Box{0, 0, 2, 2});
        CHECK(regions[0].area == 2);
        CHECK(regions[0].peak == 6);
        CHECK(regions[0].peak_y == 1);
        CHECK(regions[0].peak_x == 1);
        CHECK(regions[1].box == Box{4, 0, 5, 1});
        CHECK(regions[2].box == Box{3, 2, 5, 3});
        CHECK(regions[2].area == 2);
        gradcon::find_regions(map, 5, 10, w, regions);
        CHECK(regions.empty());
    }

    TEST_CASE("random maps: the regions of a naive union of neighbours") {
        gradcon::Rng rng(3);
        gradcon::RegionWorkspace w;
        std::vector<Region> regions;
        for (int round = 0; round < 30; ++round) {
            const std::size_t height = 1 + gradcon::random_index(rng, 9), width = 1 + gradcon::random_index(rng, 9);
            std::vector<double> map(height * width);
            for (double& v : map) v = gradcon::uniform(rng, 0, 1);
            gradcon::find_regions(map, width, 0.6, w, regions);
            const auto expected = naive_areas(map, width, 0.6);
            REQUIRE(regions.size() == expected.size());
            auto region = regions.begin();
            for (const auto& [first, area] : expected) CHECK((region++)->area == area);
        }
    }

    TEST_CASE("a score that is not a number reaches every threshold") {
        const std::vector<double> map{0, std::numeric_limits<double>::quiet_NaN(), 0};
        gradcon::RegionWorkspace w;
        std::vector<Region> regions;
        gradcon::find_regions(map, 3, 1e300, w, regions);
        REQUIRE(regions.size() == 1);
        CHECK(regions[0].box == Box{1, 0, 2, 1});
        CHECK(regions[0].peak == std::numeric_limits<double>::infinity());
        CHECK_THROWS_AS(gradcon::find_regions(map, 2, 1, w, regions), gradcon::ShapeError);
    }
}
