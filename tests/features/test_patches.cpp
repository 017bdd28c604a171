#include <gradcon/core/random.hpp>
#include <gradcon/features/patches.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace {

struct Picture {
    std::size_t height, width, channels;
    std::vector<float> pixels;
    gradcon::ImageView<float> view() const {
        return {pixels.data(), height, width, channels == 1 ? gradcon::PixelOrder::gray : gradcon::PixelOrder::rgb};
    }
};

Picture random_picture(std::size_t height, std::size_t width, std::size_t channels, gradcon::Rng& rng) {
    Picture picture{height, width, channels, std::vector<float>(height * width * channels)};
    for (float& v : picture.pixels) v = static_cast<float>(gradcon::uniform(rng, 0, 1));
    return picture;
}

} // namespace

TEST_SUITE("patches") {
    TEST_CASE("a location holds the patches around it at each scale, less their means, and the means") {
        gradcon::Rng rng(1);
        for (const std::size_t channels : {1U, 3U}) {
            const Picture picture = random_picture(31, 26, channels, rng);
            const gradcon::PatchOptions options{.size = 4, .scales = {1, 3, 2}, .stride = 5, .colour = channels == 3};
            const gradcon::Patches patches(options);
            gradcon::Patches::Workspace w;
            const auto map = patches(picture.view(), w)[0];
            const std::size_t reach = 12; // 4 * 3
            REQUIRE(patches.reach() == reach);
            REQUIRE(map.shape() ==
                    std::array<std::size_t, 3>{(31 - reach) / 5 + 1, (26 - reach) / 5 + 1, patches.channels()});
            REQUIRE(patches.channels() == 3 * 17 * channels);
            for (std::size_t y = 0; y < map.shape(0); ++y)
                for (std::size_t x = 0; x < map.shape(1); ++x) {
                    const float* got = map.data() + (y * map.shape(1) + x) * map.shape(2);
                    for (const std::size_t scale : options.scales) {
                        const std::size_t margin = (reach - 4 * scale) / 2;
                        for (std::size_t c = 0; c < channels; ++c, got += 17) {
                            std::vector<double> values;
                            double mean = 0;
                            for (std::size_t py = 0; py < 4; ++py)
                                for (std::size_t px = 0; px < 4; ++px) {
                                    double sum = 0;
                                    for (std::size_t v = 0; v < scale; ++v)
                                        for (std::size_t u = 0; u < scale; ++u)
                                            sum += double{picture.pixels[((y * 5 + margin + py * scale + v) * 26 +
                                                                          x * 5 + margin + px * scale + u) *
                                                                             channels +
                                                                         c]};
                                    values.push_back(sum / double(scale * scale));
                                    mean += values.back() / 16;
                                }
                            for (std::size_t i = 0; i < 16; ++i)
                                CHECK(std::abs(double{got[i]} - (values[i] - mean)) < 1e-6);
                            CHECK(std::abs(double{got[16]} - mean) < 1e-6);
                        }
                    }
                }
        }
    }

    TEST_CASE("patches come back from their settings") {
        const gradcon::PatchOptions options{.size = 5, .scales = {3, 1}, .stride = 7, .colour = true};
        const gradcon::FeatureSettings settings = gradcon::Patches(options).settings();
        CHECK(gradcon::Patches::from(settings).options() == options);
        CHECK(gradcon::Patches::from(gradcon::Patches().settings()).options() == gradcon::PatchOptions());
        for (const char* name : {"size", "scales", "stride", "colour"}) {
            auto fewer = settings;
            fewer.erase(name);
            CHECK_THROWS_AS(gradcon::Patches::from(fewer), gradcon::ValueError);
        }
        auto negative = settings;
        negative["stride"] = "-7";
        CHECK_THROWS_WITH_AS(gradcon::Patches::from(negative),
                             "the setting stride of the features is not made of numbers: -7", gradcon::ValueError);
    }

    TEST_CASE("bytes give what floats give, and pictures that are too small are refused") {
        gradcon::Rng rng(2);
        std::vector<std::uint8_t> bytes(40 * 40);
        std::vector<float> floats(40 * 40);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::uint8_t>(gradcon::random_index(rng, 256));
            floats[i] = static_cast<float>(bytes[i]) / 255;
        }
        const gradcon::Patches patches;
        gradcon::Patches::Workspace a, b;
        const auto of_bytes = patches(gradcon::ImageView<std::uint8_t>{bytes.data(), 40, 40}, a)[0];
        const auto of_floats = patches(gradcon::ImageView<float>{floats.data(), 40, 40}, b)[0];
        REQUIRE(of_bytes.shape() == of_floats.shape());
        for (std::size_t i = 0; i < of_bytes.size(); ++i) CHECK(of_bytes.data()[i] == of_floats.data()[i]);
        CHECK_THROWS_WITH_AS(patches(gradcon::ImageView<float>{floats.data(), 23, 40}, b),
                             "a picture of 23 x 40 pixels is smaller than the largest patch, 24 x 24",
                             gradcon::ShapeError);
        CHECK_THROWS_AS(gradcon::Patches({.size = 1}), gradcon::ValueError);
        CHECK_THROWS_AS(gradcon::Patches({.scales = {}}), gradcon::ValueError);
        CHECK_THROWS_AS(gradcon::Patches({.scales = {1001}}), gradcon::ValueError);
        CHECK_THROWS_AS(gradcon::Patches({.stride = 0}), gradcon::ValueError);
    }
}
