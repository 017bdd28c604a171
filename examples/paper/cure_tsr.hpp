#pragma once

#include "../gradcon/readers/bmp.hpp"
#include <gradcon/core/error.hpp>
#include <gradcon/core/tensor.hpp>
#include <gradcon/image/resize.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

// CURE-TSR (Temel, Kwon, Prabhushankar, AlRegib 2017, arXiv:1712.02463): traffic signs under challenging conditions.
namespace paper {

using namespace gradcon;

/// What a CURE-TSR file's name says about its image.
struct CureTsrSign {
    int sequence;  // 1: real, 2: rendered
    int sign;      // 1 to 14
    int challenge; // 0: none, 1 to 12: see Condition
    int level;     // 0: none, 1 (weakest) to 5
    int index;
};

/// Images N x height x width x 3, red first, with what is known about each.
struct CureTsr {
    Tensor<std::uint8_t, 4> images;
    std::vector<CureTsrSign> signs;
    std::vector<std::filesystem::path> paths;
};

/// Reads a name sequenceType_signType_challengeType_challengeLevel_Index.bmp: two digits each and an index of 4 to 9
/// digits, such as 01_04_08_03_0123.bmp.
/// @throws FileError for another name, or a number out of its range
inline CureTsrSign parse_cure_tsr_name(const std::filesystem::path& path) {
    const std::string stem = path.stem().string();
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    bool well_formed = stem.size() >= 16 && stem.size() <= 21;
    for (std::size_t i = 0; well_formed && i < stem.size(); ++i)
        well_formed = i % 3 == 2 && i < 12 ? stem[i] == '_' : digit(stem[i]);
    if (!well_formed)
        throw FileError(message(path.string(), ": CURE-TSR's names are sequenceType_signType_challengeType_"
                                               "challengeLevel_Index.bmp, such as 01_04_08_03_0123.bmp"));
    const auto field = [&](std::size_t at, const char* what, int low, int high) {
        const int value = std::stoi(stem.substr(at, 2));
        if (value < low || value > high)
            throw FileError(
                message(path.string(), ": the ", what, " lies between ", low, " and ", high, "; found ", value));
        return value;
    };
    return {field(0, "sequence type", 1, 2), field(3, "sign type", 1, 14), field(6, "challenge type", 0, 12),
            field(9, "challenge level", 0, 5), std::stoi(stem.substr(12))};
}

/// Reads every .bmp file of a folder and the folders in it, and resizes it (see resize). Other files are ignored, links
/// to folders not followed. The order is that of the names, whatever folders they are in, and then of the paths.
/// @throws FileError for a folder that is missing, cannot be read or has no .bmp file; for a name that
/// parse_cure_tsr_name refuses, a file that read_bmp refuses
/// @throws ShapeError when height or width is 0
inline CureTsr read_cure_tsr(const std::filesystem::path& folder, std::size_t height, std::size_t width) {
    namespace fs = std::filesystem;
    std::error_code failure;
    std::vector<fs::path> paths;
    fs::recursive_directory_iterator entry(folder, failure);
    for (; !failure && entry != fs::recursive_directory_iterator(); entry.increment(failure)) {
        std::string extension = entry->path().extension().string();
        for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        std::error_code unknown; // then read_bmp says why
        if (extension == ".bmp" && !entry->is_directory(unknown)) paths.push_back(entry->path());
    }
    if (failure) throw FileError(message(folder.string(), ": cannot be read as a folder: ", failure.message()));
    if (paths.empty()) throw FileError(folder.string() + ": no .bmp file in this folder or those in it");
    std::ranges::sort(paths, {},
                      [](const fs::path& path) { return std::pair(path.filename().string(), path.string()); });

    CureTsr set;
    for (const auto& path : paths) set.signs.push_back(parse_cure_tsr_name(path));
    const Shape shape{paths.size(), height, width, 3};
    element_count(shape);
    set.images.resize({shape[0], shape[1], shape[2], shape[3]});
    std::uint8_t* to = set.images.data();
    for (const auto& path : paths) {
        const auto image = readers::read_bmp(path);
        const Batch<std::uint8_t> batch(image.data(), {1, image.shape()[0], image.shape()[1], 3});
        to = std::ranges::copy(resize(batch, height, width), to).out;
    }
    set.paths = std::move(paths);
    return set;
}

} // namespace paper
