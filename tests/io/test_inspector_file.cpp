#include "surfaces.hpp"

#include <gradcon/features/patches.hpp>
#include <gradcon/inspection/learn.hpp>
#include <gradcon/io/inspector_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

namespace {

using namespace made_surfaces;

gradcon::Inspector<gradcon::Patches> learned_with_margin(bool whiten) {
    gradcon::LearnLocalOptions options;
    options.widths = {10, 4};
    options.epochs = 2;
    options.locations = 1500;
    options.false_alarm_rate = 0.2;
    options.scaling = {.whiten = whiten, .components = 9};
    options.map = {.margin = 1, .smoothing = 0.7, .highest_share = 0.05};
    if (whiten) options.map.area = {2, 2, {1, 0, 0, 1}};
    options.notes = {{"line", "7"}};
    const auto normal = surfaces(40, 1);
    return gradcon::learn_local(patches, views(normal), options);
}

} // namespace

TEST_SUITE("inspector file") {
    TEST_CASE("an inspector comes back with the same bits") {
        const auto path = std::filesystem::temp_directory_path() / "gradcon-inspector.safetensors";
        for (const bool whiten : {false, true}) {
            const auto saved = learned_with_margin(whiten);
            gradcon::io::save(saved, path);
            const auto loaded = gradcon::io::load_inspector(path, patches);
            CHECK(loaded.model().map == saved.model().map);
            CHECK(loaded.model().trained.notes.at("line") == "7");
            const auto header = gradcon::io::read_inspector_header(path);
            CHECK(header.notes.at("line") == "7");
            CHECK(gradcon::Patches::from(header.features).options() == patches.options());
            auto a = saved.workspace(), b = loaded.workspace();
            for (const Pixels& pixels : surfaces(3, 1)) {
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
        gradcon::io::save(learned_with_margin(false), path);
        try {
            gradcon::io::load_inspector(path, gradcon::Patches({.size = 4, .scales = {3}, .stride = 4}));
            FAIL("accepted");
        } catch (const gradcon::FileError& error) {
            const std::string text = error.what();
            CHECK(text.find("trained with features of another kind: scales is \"2\" there, \"3\" here") !=
                  std::string::npos);
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
