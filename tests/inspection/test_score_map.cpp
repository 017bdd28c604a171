#include <gradcon/core/random.hpp>
#include <gradcon/inspection/score_map.hpp>

#include <doctest/doctest.h>

#include <cmath>

TEST_SUITE("score map") {
    TEST_CASE("smoothing is the weighted mean of all locations by their distance") {
        gradcon::Rng rng(1);
        const std::size_t height = 7, width = 11;
        const double deviation = 1.3;
        std::vector<double> map(height * width), storage;
        for (double& v : map) v = gradcon::uniform(rng, -1, 1);
        auto smoothed = map;
        gradcon::MapSmoothing(deviation).apply(smoothed, width, storage);
        for (std::size_t y = 0; y < height; ++y)
            for (std::size_t x = 0; x < width; ++x) {
                double sum = 0, weights = 0;
                for (std::size_t v = 0; v < height; ++v)
                    for (std::size_t u = 0; u < width; ++u) {
                        const double dy = double(v) - double(y), dx = double(u) - double(x);
                        if (std::abs(dy) > 4 || std::abs(dx) > 4) continue; // three deviations
                        const double weight = std::exp(-(dy * dy + dx * dx) / (2 * deviation * deviation));
                        sum += weight * map[v * width + u];
                        weights += weight;
                    }
                CHECK(smoothed[y * width + x] == doctest::Approx(sum / weights).epsilon(1e-12));
            }
    }

    TEST_CASE("a constant stays constant, and a deviation of 0 changes nothing") {
        std::vector<double> map(20, 3.5), storage;
        gradcon::MapSmoothing(2).apply(map, 5, storage);
        for (const double v : map) CHECK(v == doctest::Approx(3.5).epsilon(1e-14));
        std::vector<double> other{1, 2, 3, 4}, same = other;
        gradcon::MapSmoothing(0).apply(other, 2, storage);
        CHECK(other == same);
        CHECK_THROWS_AS(gradcon::MapSmoothing(-1), gradcon::ValueError);
        CHECK_THROWS_AS(gradcon::MapSmoothing(std::nan("")), gradcon::ValueError);
    }

    TEST_CASE("the mean of the highest") {
        const std::vector<double> scores{3, 9, 1, 7, 5};
        std::vector<double> storage;
        CHECK(gradcon::mean_of_highest(scores, 0, storage) == 9);
        CHECK(gradcon::mean_of_highest(scores, 0.1, storage) == 9);
        CHECK(gradcon::mean_of_highest(scores, 0.4, storage) == 8);
        CHECK(gradcon::mean_of_highest(scores, 1, storage) == 5);
        CHECK(std::isnan(gradcon::mean_of_highest(std::vector<double>{1, std::nan("")}, 0.5, storage)));
        CHECK_THROWS_AS(gradcon::mean_of_highest({}, 0.5, storage), gradcon::ValueError);
        CHECK_THROWS_AS(gradcon::mean_of_highest(scores, 1.5, storage), gradcon::ValueError);
    }

    TEST_CASE("enlarged, a map keeps its scores at the centres of its locations, and lines between them") {
        const std::vector<double> map{1, 3, 2, 6};
        std::vector<double> picture;
        gradcon::enlarge(map, 2, 0, 6, 6, picture); // centres at 1 and 4
        CHECK(picture[1 * 6 + 1] == 1);
        CHECK(picture[1 * 6 + 4] == 3);
        CHECK(picture[4 * 6 + 1] == 2);
        CHECK(picture[4 * 6 + 4] == 6);
        CHECK(picture[1 * 6 + 2] == doctest::Approx(1 + 2.0 / 3));
        CHECK(picture[0] == 1);
        CHECK(picture[5 * 6 + 5] == 6);
        gradcon::enlarge(map, 2, 1, 8, 8, picture); // of 4 x 4 locations the inner ones are there
        CHECK(picture[0] == 1);
        CHECK(picture[7] == 3);
        CHECK(picture[3 * 8 + 3] == doctest::Approx(1 + 0.25 * 2 + 0.25 * (2 + 0.25 * 4 - 1 - 0.25 * 2)));
        CHECK_THROWS_AS(gradcon::enlarge(map, 3, 0, 6, 6, picture), gradcon::ShapeError);
    }
}
