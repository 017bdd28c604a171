#include <gradcon/features/patches.hpp>
#include <gradcon/inspection/learn.hpp>
#include <gradcon/io/inspector_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

namespace {

using Pixels = std::vector<std::uint8_t>;
constexpr std::size_t side = 40;

std::vector<Pixels> surfaces(std::size_t count) {
    gradcon::Rng rng(1);
    std::vector<Pixels> all(count, Pixels(side * side));
    for (Pixels& pixels : all)
        for (std::size_t i = 0; i < pixels.size(); ++i)
            pixels[i] = static_cast<std::uint8_t>(std::clamp(
                128 + 30 * std::sin(0.7 * double(i % side)) + 8 * gradcon::standard_normal(rng), 0.0, 255.0));
    return all;
}

gradcon::ImageView<std::uint8_t> view(const Pixels& pixels) {
    return {.data = pixels.data(), .height = side, .width = side};
}

std::vector<gradcon::ImageView<std::uint8_t>> views(const std::vector<Pixels>& pictures) {
    std::vector<gradcon::ImageView<std::uint8_t>> all;
    for (const Pixels& pixels : pictures) all.push_back(view(pixels));
    return all;
}

const gradcon::Patches patches({.size = 4, .scales = {2}, .stride = 4});

gradcon::Inspector<gradcon::Patches> learned(bool whiten) {
    gradcon::LearnLocalOptions options;
    options.widths = {10, 4};
    options.epochs = 2;
    options.locations = 1500;
    options.false_alarm_rate = 0.2;
    options.scaling = {.whiten = whiten, .components = 9};
    options.map = {.margin = 1, .smoothing = 0.7, .highest_share = 0.05};
    options.notes = {{"line", "7"}};
    const auto normal = surfaces(40);
    return gradcon::learn_local(patches, views(normal), options);
}

} // namespace

TEST_SUITE("inspector file") {
    TEST_CASE("an inspector comes back with the same bits") {
        const auto path = std::filesystem::temp_directory_path() / "gradcon-inspector.safetensors";
        for (const bool whiten : {false, true}) {
            const auto saved = learned(whiten);
            gradcon::io::save(saved, path);
            const auto loaded = gradcon::io::load_inspector(path, patches);
            CHECK(loaded.model().map == saved.model().map);
            CHECK(loaded.model().trained.notes.at("line") == "7");
            auto a = saved.workspace(), b = loaded.workspace();
            for (const Pixels& pixels : surfaces(3)) {
                const auto before = saved.inspect(view(pixels), a), after = loaded.inspect(view(pixels), b);
                CHECK(before.score == after.score);
                CHECK(before.p_value == after.p_value);
                CHECK(before.regions.size() == after.regions.size());
                CHECK(std::ranges::equal(before.map, after.map));
            }
        }
        std::filesystem::remove(path);
    }

    TEST_CASE("another extractor, a damaged file and another kind of file are refused") {
        const auto path = std::filesystem::temp_directory_path() / "gradcon-inspector-bad.safetensors";
        gradcon::io::save(learned(false), path);
        try {
            gradcon::io::load_inspector(path, gradcon::Patches({.size = 4, .scales = {3}, .stride = 4}));
            FAIL("accepted");
        } catch (const gradcon::FileError& error) {
            const std::string text = error.what();
            CHECK(text.find("trained with features of \"patches of 4 pixels, stride 4, scales 2, gray\", not of "
                            "\"patches of 4 pixels, stride 4, scales 3, gray\"") != std::string::npos);
        }
        CHECK_THROWS_AS(gradcon::io::load(path), gradcon::FileError);
        const auto bytes = gradcon::io::read_file(path);
        for (std::size_t at = 0; at < bytes.size(); at += bytes.size() / 97) {
            auto damaged = bytes;
            damaged[at] ^= std::byte{4};
            gradcon::io::replace_file(path, damaged);
            CHECK_THROWS_AS(gradcon::io::load_inspector(path, patches), gradcon::FileError);
        }
        std::filesystem::remove(path);
    }
}
