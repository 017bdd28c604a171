#include "random_tensors.hpp"
#include "tiny_onnx.hpp"

#include <gradcon/features/opencv_dnn.hpp>
#include <gradcon/inspection/learn.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

struct Network {
    std::vector<float> weight, bias;
    std::string path;

    Network() {
        gradcon::Rng rng(1);
        weight = random_values<float>(2 * 27, rng);
        bias = random_values<float>(2, rng);
        path = (std::filesystem::temp_directory_path() / "gradcon-tiny.onnx").string();
        const std::string bytes = tiny_onnx::convolution(2, weight, bias);
        std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    ~Network() { std::filesystem::remove(path); }
};

} // namespace

TEST_SUITE("opencv dnn") {
    TEST_CASE("an extractor comes back from its settings; a setting that is wrong is named") {
        const Network network;
        for (const gradcon::NetworkInput& input :
             {gradcon::NetworkInput{.longest_side = 99, .mean = {0.1F, 1.0F / 3, 1e-9F}, .deviation = {0.229F, 3, 7}},
              gradcon::NetworkInput{.height = 16, .width = 24, .order = gradcon::PixelOrder::bgr}}) {
            const gradcon::OpenCvDnn extract(network.path, {"features"}, input);
            const auto again = gradcon::OpenCvDnn::from(network.path, extract.settings());
            CHECK(again.layers() == extract.layers());
            CHECK(again.input().mean == input.mean);
            CHECK(again.input().size_for(300, 200) == input.size_for(300, 200));
            CHECK(again.settings() == extract.settings());
            auto settings = extract.settings();
            settings["mean"] = "0.1 x 2";
            CHECK_THROWS_WITH_AS(gradcon::OpenCvDnn::from(network.path, settings),
                                 "the setting mean of the features is not made of numbers: 0.1 x 2",
                                 gradcon::ValueError);
            settings["mean"] = "0.1 2";
            CHECK_THROWS_WITH_AS(gradcon::OpenCvDnn::from(network.path, settings),
                                 "the setting mean of the features has 2 numbers, not 3", gradcon::ValueError);
            settings.erase("mean");
            CHECK_THROWS_WITH_AS(gradcon::OpenCvDnn::from(network.path, settings),
                                 "the settings of the features lack mean", gradcon::ValueError);
        }
    }

    TEST_CASE("maps are the network's outputs, channels last, of the picture as the options say") {
        const Network network;
        gradcon::Rng rng(2);
        std::vector<std::uint8_t> pixels(16 * 16 * 3);
        for (auto& v : pixels) v = static_cast<std::uint8_t>(gradcon::random_index(rng, 256));
        const gradcon::ImageView<std::uint8_t> picture{pixels.data(), 16, 16, gradcon::PixelOrder::bgr};
        const gradcon::NetworkInput input{
            .height = 16, .width = 16, .mean = {0.5F, 0.4F, 0.3F}, .deviation = {0.2F, 0.25F, 0.5F}};
        const gradcon::OpenCvDnn extract(network.path, {"features"}, input);
        gradcon::OpenCvDnn::Workspace w;
        const auto maps = extract(picture, w);
        REQUIRE(maps.size() == 1);
        REQUIRE(maps[0].shape() == std::array<std::size_t, 3>{8, 8, 2});
        for (std::size_t y = 0; y < 8; ++y)
            for (std::size_t x = 0; x < 8; ++x)
                for (std::size_t o = 0; o < 2; ++o) {
                    double sum = double{network.bias[o]};
                    for (std::size_t c = 0; c < 3; ++c) // red first; the picture has blue first
                        for (std::size_t ky = 0; ky < 3; ++ky)
                            for (std::size_t kx = 0; kx < 3; ++kx) {
                                const std::size_t py = 2 * y + ky, px = 2 * x + kx; // one more than in the picture
                                if (py < 1 || px < 1 || py > 16 || px > 16) continue;
                                const double v = double(pixels[((py - 1) * 16 + px - 1) * 3 + 2 - c]) / 255;
                                sum += double{network.weight[((o * 3 + c) * 3 + ky) * 3 + kx]} *
                                       (v - double{input.mean[c]}) / double{input.deviation[c]};
                            }
                    CHECK(std::abs(double{maps[0].data()[(y * 8 + x) * 2 + o]} - sum) < 1e-4);
                }
    }

    TEST_CASE("the longest side keeps the proportions") {
        const gradcon::NetworkInput input{.longest_side = 128};
        CHECK(input.size_for(400, 200) == std::array<std::size_t, 2>{128, 64});
        CHECK(input.size_for(100, 3000) == std::array<std::size_t, 2>{4, 128});
        CHECK(input.size_for(1, 3000) == std::array<std::size_t, 2>{1, 128});
    }

    TEST_CASE("what is no network, and what it lacks, is said") {
        const Network network;
        CHECK_THROWS_WITH_AS(gradcon::OpenCvDnn("nowhere.onnx", {"features"}),
                             "OpenCvDnn: nowhere.onnx cannot be opened", gradcon::ValueError);
        try {
            gradcon::OpenCvDnn(network.path, {"block2"});
            FAIL("accepted");
        } catch (const gradcon::ValueError& error) {
            CHECK(std::string(error.what()).find("no layer block2; it has ") != std::string::npos);
            CHECK(std::string(error.what()).find("features") != std::string::npos);
        }
        CHECK_THROWS_AS(gradcon::OpenCvDnn(network.path, {}), gradcon::ValueError);
        CHECK_THROWS_AS(gradcon::OpenCvDnn(network.path, {"features"}, {.deviation = {0, 1, 1}}), gradcon::ValueError);
        const std::string text = network.path + ".txt";
        std::ofstream(text) << "no network";
        CHECK_THROWS_AS(gradcon::OpenCvDnn(text, {"features"}), gradcon::ValueError);
        std::filesystem::remove(text);
    }
}
