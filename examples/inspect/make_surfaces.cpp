// Writes made pictures of brushed metal into a folder, in the layout of MVTec AD: make_surfaces FOLDER [SEED [PICTURES
// [WIDTH]]]. PICTURES good ones to learn from; to test, half as many good ones and half as many with a flaw, and masks.
#include "../gradcon/readers/png.hpp"
#include "surfaces.hpp"

#include <gradcon/core/error.hpp>
#include <gradcon/core/tensor.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace fs = std::filesystem;

namespace {

void write(const fs::path& file, const surfaces::Picture& picture, const std::vector<std::uint8_t>& pixels) {
    fs::create_directories(file.parent_path());
    readers::write_png(file,
                       gradcon::TensorView<const std::uint8_t, 3>(pixels.data(), {picture.height, picture.width, 1}));
}

void run(const fs::path& root, std::uint64_t seed, std::size_t count, std::size_t width) {
    gradcon::Rng rng(seed);
    const auto make = [&](surfaces::Flaw flaw) { return surfaces::brushed_metal(width * 4 / 5, width, flaw, rng); };
    const auto name = [](std::size_t i, const char* ending) { return std::to_string(1000 + i) + ending; };
    for (const char* folder : {"train/good", "test/good"})
        for (std::size_t i = 0; i < (folder[1] == 'r' ? count : count / 2); ++i) {
            const auto picture = make(surfaces::Flaw::none);
            write(root / folder / name(i, ".png"), picture, picture.pixels);
        }
    constexpr std::array flaws{surfaces::Flaw::scratch, surfaces::Flaw::spot, surfaces::Flaw::dent};
    constexpr std::array flaw_names{"scratch", "spot", "dent"};
    for (std::size_t i = 0; i < count / 2; ++i) {
        auto picture = make(flaws[i % 3]);
        write(root / "test" / flaw_names[i % 3] / name(i, ".png"), picture, picture.pixels);
        for (auto& inside : picture.flaw) inside = inside != 0 ? 255 : 0;
        write(root / "ground_truth" / flaw_names[i % 3] / name(i, "_mask.png"), picture, picture.flaw);
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc < 2) throw std::runtime_error("usage: make_surfaces FOLDER [SEED [PICTURES [WIDTH]]]");
        const auto number = [&](int i, std::uint64_t otherwise) {
            return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
        };
        run(argv[1], number(2, 0), number(3, 200), number(4, 640));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "make_surfaces: %s\n", error.what());
        return 1;
    }
}
