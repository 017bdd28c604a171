#include "picture_file.hpp"

#include "bmp.hpp"
#include "decoding.hpp"
#include "jpeg.hpp"
#include "png.hpp"
#include "pnm.hpp"
#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <gradcon/core/error.hpp>
#include <gradcon/core/tensor.hpp>
#include <gradcon/data/binary_file.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace readers {

Tensor<std::uint8_t, 3> read_picture(const std::filesystem::path& path, std::size_t most_pixels) {
    BinaryFile file(path);
    if (file.size() == 0) throw file.error("the file is empty");
    std::array<std::uint8_t, 26> begin{}; // of a bitmap up to its size
    const std::span<std::uint8_t> found(begin.data(),
                                        static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 26)));
    file.read(found);
    const auto begins_with = [&](std::string_view with) {
        return found.size() >= with.size() &&
               std::equal(with.begin(), with.end(), found.begin(),
                          [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
    };
    if (begins_with("\x89PNG")) return read_png(path, most_pixels);
    if (begins_with("\xFF\xD8\xFF")) return read_jpeg(path, most_pixels);
    if (begins_with("P2") || begins_with("P3") || begins_with("P5") || begins_with("P6"))
        return read_pnm(path, most_pixels);
    if (begins_with("BM")) {
        const auto extent = [&](std::size_t at) { // below 0: the other way round
            std::uint32_t value = 0;
            for (std::size_t i = 4; i > 0; --i) value = value << 8 | begin[at + i - 1];
            return std::abs(std::int64_t{static_cast<std::int32_t>(value)});
        };
        if (const auto width = extent(18), height = extent(22); width != 0 && height != 0) // else read_bmp says more
            detail::check_pixels(file, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height),
                                 most_pixels);
        return read_bmp(path);
    }
    std::string bytes;
    for (const std::uint8_t byte : found.first(std::min<std::size_t>(found.size(), 8)))
        bytes += message(" ", int{byte});
    throw file.error("neither PNG, JPEG, BMP, PGM nor PPM: the first bytes are", bytes);
}

std::vector<std::filesystem::path> find_pictures(const std::filesystem::path& folder) {
    namespace fs = std::filesystem;
    constexpr std::array extensions{".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".pnm"};
    std::error_code failure;
    std::vector<fs::path> paths;
    fs::recursive_directory_iterator entry(folder, failure);
    for (; !failure && entry != fs::recursive_directory_iterator(); entry.increment(failure)) {
        if (entry->path().filename().native().starts_with('.')) {
            entry.disable_recursion_pending();
            continue;
        }
        std::string extension = entry->path().extension().string();
        for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        std::error_code unknown; // such as a link to itself
        if (std::ranges::find(extensions, extension) != extensions.end() && entry->is_regular_file(unknown))
            paths.push_back(entry->path());
    }
    if (failure) throw FileError(message(folder.string(), ": cannot be read as a folder: ", failure.message()));
    if (paths.empty())
        throw FileError(message(folder.string(), ": no .png, .jpg, .jpeg, .bmp, .pgm, .ppm or .pnm file in this folder "
                                                 "or those in it"));
    std::ranges::sort(paths);
    return paths;
}

} // namespace readers
