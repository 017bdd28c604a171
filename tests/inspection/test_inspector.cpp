#include "surfaces.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

using namespace made_surfaces;

TEST_SUITE("inspector") {
    TEST_CASE("a flaw is found at its place, and normal pictures raise few alarms") {
        const Inspector inspector = learned();
        auto w = inspector.workspace();
        std::size_t alarms = 0, with_regions = 0;
        const auto normal = surfaces(60, 2);
        for (const Pixels& pixels : normal) {
            const auto result = inspector.inspect(view(pixels), w);
            alarms += result.anomalous ? 1 : 0;
            with_regions += result.regions.empty() ? 0 : 1;
            CHECK(result.height == (picture_height - 8) / 4 + 1);
            CHECK(result.map.size() == result.height * result.width);
        }
        // each rate is Beta distributed around .1 (12 calibration pictures); .5 lies far beyond
        CHECK(alarms < 30);
        CHECK(with_regions < 30);
        gradcon::Rng rng(3);
        for (const auto& [y, x] : {std::pair<std::size_t, std::size_t>{30, 44}, {8, 8}, {50, 60}}) {
            const Pixels flawed = surface(rng, true, y, x);
            const auto result = inspector.inspect(view(flawed), w);
            CHECK(result.anomalous);
            CHECK(result.p_value == doctest::Approx(1.0 / 13));
            REQUIRE(!result.regions.empty());
            const auto& found = *std::ranges::max_element(result.regions, {}, &gradcon::Region::peak);
            CHECK(found.peak_y + 4 >= y);
            CHECK(found.peak_y <= y + 14);
            CHECK(found.peak_x + 4 >= x);
            CHECK(found.peak_x <= x + 14);
            CHECK(found.box.right <= picture_width);
            CHECK(found.box.bottom <= picture_height);
            CHECK(found.p_value == doctest::Approx(1.0 / 13));
        }
    }

    TEST_CASE("the map is what Scorer and the score rule give for each location alone, smoothed") {
        Inspector inspector = learned();
        const auto pictures = surfaces(1, 9);
        auto w = inspector.workspace();
        const auto result = inspector.inspect(view(pictures[0]), w);
        const std::vector<double> map(result.map.begin(), result.map.end());

        const auto& trained = inspector.model().trained;
        const gradcon::Scorer scorer{trained.model, trained.params, trained.policy, trained.profile};
        gradcon::Patches::Workspace extraction;
        const auto raw = patches(view(pictures[0]), extraction)[0];
        const gradcon::FeatureScaler scaler(inspector.model().scaling);
        gradcon::Tensor<float, 4> locations;
        locations.resize({map.size(), 1, 1, scaler.outputs()});
        gradcon::AlignedVector<float> centred;
        scaler.apply(raw.data(), map.size(), locations.data(), centred);
        gradcon::SerialExecutor serial;
        auto expected = gradcon::scores_by(trained.score_rule, gradcon::score_each(scorer, locations, serial));
        std::vector<double> storage;
        gradcon::MapSmoothing(1).apply(expected, result.width, storage);
        // standardised sums of numbers that agree to some 1e-5
        for (std::size_t i = 0; i < map.size(); ++i) CHECK(std::abs(map[i] - expected[i]) < 1e-3);
    }

    TEST_CASE("with a margin, boxes and peaks are where the flaw is, in pixels of the picture") {
        auto o = options();
        o.map.margin = 2;
        const auto normal = surfaces(80, 1);
        const Inspector inspector = gradcon::learn_local(patches, views(normal), o);
        gradcon::Rng rng(3);
        auto w = inspector.workspace();
        for (const auto& [y, x] : {std::pair<std::size_t, std::size_t>{44, 58}, {12, 14}, {44, 14}}) {
            const Pixels flawed = surface(rng, true, y, x);
            const auto result = inspector.inspect(view(flawed), w);
            CHECK(result.height == (picture_height - 8) / 4 + 1 - 4);
            REQUIRE(!result.regions.empty());
            const auto& found = *std::ranges::max_element(result.regions, {}, &gradcon::Region::peak);
            // within two strides of the flaw's middle
            CHECK(std::abs(double(found.peak_y) - double(y + 5)) <= 8);
            CHECK(std::abs(double(found.peak_x) - double(x + 5)) <= 8);
            CHECK(found.box.left <= found.peak_x);
            CHECK(found.peak_x < found.box.right);
            CHECK(found.box.top <= found.peak_y);
            CHECK(found.peak_y < found.box.bottom);
        }
    }

    TEST_CASE("the same bits for 1, 2, 3 and 8 threads, in learning and in inspecting") {
        gradcon::SerialExecutor serial;
        const Inspector one = learned(&serial);
        gradcon::ThreadPool three(3);
        const Inspector other = learned(&three);
        const auto pictures = surfaces(8, 4);
        std::vector<std::vector<double>> expected;
        auto w = one.workspace();
        for (const Pixels& pixels : pictures) {
            const auto map = one.inspect(view(pixels), w).map;
            expected.emplace_back(map.begin(), map.end());
        }
        for (const std::size_t count : {1U, 2U, 8U}) {
            std::vector<std::thread> threads;
            std::atomic<std::size_t> next{0}, wrong{0};
            for (std::size_t t = 0; t < count; ++t)
                threads.emplace_back([&] {
                    auto own = other.workspace();
                    for (std::size_t i; (i = next++) < pictures.size();)
                        if (!std::ranges::equal(other.inspect(view(pictures[i]), own).map, expected[i])) ++wrong;
                });
            for (auto& thread : threads) thread.join();
            CHECK(wrong == 0);
        }
    }

    TEST_CASE("what lies outside of the area does not count, whatever it is") {
        auto o = options();
        o.map.area = {1, 2, {1, 0}}; // the left half
        const auto normal = surfaces(80, 1);
        const auto inspector = gradcon::learn_local(patches, views(normal), o);
        auto w = inspector.workspace();
        gradcon::Rng a(7), b(7), c(7);
        // near the middle, but in no patch of a location of the left half: only the smoothing could bring it there
        const Pixels plain = surface(a), outside = surface(b, true, 30, 46), inside = surface(c, true, 30, 8);
        const auto usual = inspector.inspect(view(plain), w);
        const double score = usual.score;
        const std::vector<double> map(usual.map.begin(), usual.map.end());
        const auto ignored = inspector.inspect(view(outside), w);
        CHECK(ignored.score == score);
        CHECK(std::ranges::equal(ignored.map, map));
        CHECK(ignored.regions.empty());
        for (std::size_t y = 0; y < ignored.height; ++y) // the right half has the least score of the left one
            CHECK(ignored.map[y * ignored.width + ignored.width - 1] == std::ranges::min(ignored.map));
        const auto found = inspector.inspect(view(inside), w);
        CHECK(found.anomalous);
        REQUIRE(!found.regions.empty());
        for (const auto& region : found.regions) CHECK(region.box.right <= 44); // a location's pixels cross the middle

        o.map.area = {2, 2, {0, 0, 0, 0}};
        CHECK_THROWS_WITH_AS(gradcon::learn_local(patches, views(normal), o), "Area: no pixel is inside",
                             gradcon::ValueError);
        o.map.area = {2, 2, {1, 0, 0}};
        CHECK_THROWS_AS(gradcon::learn_local(patches, views(normal), o), gradcon::ShapeError);
        o.map.area = {};
        o.map.area = {400, 400, std::vector<std::uint8_t>(160'000)};
        o.map.area.inside[0] = 1; // the centre of no location
        CHECK_THROWS_AS(gradcon::learn_local(patches, views(normal), o), gradcon::ShapeError);
    }

    TEST_CASE("what cannot be learned or inspected is refused by name") {
        const auto few = surfaces(12, 1), enough = surfaces(60, 1);
        CHECK_THROWS_WITH_AS(gradcon::learn_local(patches, views(few), options()),
                             "training needs 20 normal samples or more; there are 12", gradcon::ValueError);
        auto o = options();
        o.false_alarm_rate = 0.01;
        CHECK_THROWS_WITH_AS(gradcon::learn_local(patches, views(enough), o),
                             "a false-alarm rate of 0.01 needs 99 normal samples to calibrate with; there are 9",
                             gradcon::ValueError);
        o = options();
        o.locations = 999;
        CHECK_THROWS_AS(gradcon::learn_local(patches, views(enough), o), gradcon::ValueError);
        o = options();
        o.map.margin = 1001;
        CHECK_THROWS_AS(gradcon::learn_local(patches, views(enough), o), gradcon::ValueError);
        o.map.margin = 8;
        CHECK_THROWS_AS(gradcon::learn_local(patches, views(enough), o), gradcon::ShapeError);
        o = options();
        o.map.smoothing = -1;
        CHECK_THROWS_AS(gradcon::learn_local(patches, views(enough), o), gradcon::ValueError);
        const std::vector<Pixels> black(60, Pixels(picture_height * picture_width));
        CHECK_THROWS_AS(gradcon::learn_local(patches, views(black), options()), gradcon::ValueError);

        const Inspector inspector = learned();
        auto w = inspector.workspace();
        CHECK_THROWS_AS(inspector.inspect(gradcon::ImageView<std::uint8_t>{enough[0].data(), 7, 80}, w),
                        gradcon::ShapeError);
        CHECK_THROWS_AS(Inspector(gradcon::Patches({.size = 4, .scales = {1, 2}, .stride = 4}), inspector.model())
                            .inspect(view(enough[0]), w),
                        gradcon::ShapeError);
        std::vector<float> bright(picture_height * picture_width, 0.5F);
        bright[30 * picture_width + 40] = std::numeric_limits<float>::quiet_NaN();
        const auto result =
            inspector.inspect(gradcon::ImageView<float>{bright.data(), picture_height, picture_width}, w);
        CHECK(std::isnan(result.score));
        CHECK(result.anomalous);
        CHECK(!result.regions.empty());
    }
}
