// Files that version 0.1.0 wrote (tests/golden/model_files/make_model_files.cpp) load, and score as they did then.
#include <gradcon/io/detector_file.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

using namespace gradcon;

namespace {

std::vector<std::uint8_t> picture(std::size_t i) {
    std::vector<std::uint8_t> bytes(10 * 12);
    for (std::size_t k = 0; k < bytes.size(); ++k)
        bytes[k] = static_cast<std::uint8_t>((k * k + 31 * i + i * i * k) % 251);
    return bytes;
}

double score(const Detector<float>& detector, std::size_t i) {
    auto workspace = detector.workspace();
    const auto bytes = picture(i);
    if (std::holds_alternative<ImageInput>(detector.trained().input))
        return detector.score(ImageView<std::uint8_t>{.data = bytes.data(), .height = 10, .width = 12}, workspace)
            .score;
    return detector.score(std::vector<double>(bytes.begin(), bytes.begin() + 4), workspace).score;
}

/// The files were made with these instructions, and others round otherwise.
constexpr bool same_bits() {
#if defined(__SSE2__) && !defined(__FMA__) && !defined(__FAST_MATH__)
    return true;
#else
    return false;
#endif
}

} // namespace

TEST_SUITE("old model files") {
    TEST_CASE("files of versions 1, 2 and 3 score to the same bits") {
        const std::string folder = GRADCON_TESTS_DIR "/golden/model_files/";
        std::ifstream scores(folder + "scores.txt");
        std::string name, text;
        std::map<std::string, int> checked;
        for (std::size_t i = 0; scores >> name >> i >> text;) {
            io::LoadOverrides overrides;
            if (!name.ends_with("-v3.safetensors")) overrides.input = ImageInput{.height = 8, .width = 9};
            const double found = score(io::load(folder + name, overrides), i),
                         expected = std::strtod(text.c_str(), nullptr);
            INFO(name, " ", i);
            if (same_bits()) CHECK(found == expected);
            else CHECK(std::abs(found - expected) <= 1e-4 * (1 + std::abs(expected))); // as the files' own self-tests
            ++checked[name];
        }
        CHECK(checked.size() == 7);
        for (const auto& [file, count] : checked) CHECK(count == 5);
        CHECK(io::load(folder + "detector-v3.safetensors").trained().notes.at("made") == "by version 0.1.0");
    }

    TEST_CASE("a file that is saved again has the same bytes") {
        const std::string folder = GRADCON_TESTS_DIR "/golden/model_files/";
        const auto path = std::filesystem::temp_directory_path() / ("gradcon-again-" + std::to_string(getpid()));
        for (const char* name : {"network-v1", "network-v2", "detector-v3", "conformal-v3", "table-v3", "vae-v3"}) {
            const auto file = folder + name + ".safetensors";
            io::save(io::load_trained(file), path);
            INFO(name);
            if (same_bits()) CHECK(io::read_file(path) == io::read_file(file));
        }
        std::filesystem::remove(path);
    }
}
