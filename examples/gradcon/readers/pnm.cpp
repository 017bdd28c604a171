#include "pnm.hpp"

#include "decoding.hpp"
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <gradcon/core/tensor.hpp>
#include <gradcon/data/binary_file.hpp>
#include <vector>

namespace readers {

Tensor<std::uint8_t, 3> read_pnm(const std::filesystem::path& path, std::size_t most_pixels) {
    BinaryFile file(path);
    const std::vector<std::uint8_t> bytes = detail::all_bytes(file);
    if (bytes.size() < 2 || bytes[0] != 'P' ||
        (bytes[1] != '2' && bytes[1] != '3' && bytes[1] != '5' && bytes[1] != '6'))
        throw file.error("a PGM or PPM file begins with P2, P3, P5 or P6; this one does not");
    const bool text = bytes[1] < '4';
    const std::size_t channels = bytes[1] == '3' || bytes[1] == '6' ? 3 : 1;

    std::size_t at = 2;
    const auto space = [](std::uint8_t byte) { return byte == ' ' || (byte >= 9 && byte <= 13); };
    const auto number = [&](const char* what) {
        const std::size_t before = at;
        while (at < bytes.size() && (space(bytes[at]) || bytes[at] == '#'))
            if (bytes[at++] == '#') // a comment, up to the line's end
                while (at < bytes.size() && bytes[at] != '\n' && bytes[at] != '\r') ++at;
        const std::size_t first = at;
        std::uint64_t value = 0;
        for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9'; ++at) {
            value = value * 10 + (bytes[at] - '0');
            if (value > 0x7FFFFFFF) throw file.error(what, " at byte ", first, " is larger than 2147483647");
        }
        if (at == bytes.size() && at == first) throw file.error("the file ends before ", what);
        if (at == first || first == before)
            throw file.error(what, " is no number of its own; found byte ", int{bytes[first]}, " at ", first);
        return value;
    };
    const std::uint64_t width = number("the width"), height = number("the height"), most = number("the maximum");
    detail::check_pixels(file, width, height, most_pixels);
    if (most == 0 || most > 65535) throw file.error("the maximum lies between 1 and 65535; found ", most);
    if (!text && (at == bytes.size() || !space(bytes[at++])))
        throw file.error("one white space ends the header; found none");

    const std::uint64_t value_size = most > 255 ? 2 : 1, left = bytes.size() - at;
    // As text a value takes two bytes or more: white space and a digit.
    if (width * height > left / (channels * (text ? 2 : value_size)))
        throw file.error(width, " x ", height, " pixels of ", channels, " values up to ", most, " need ",
                         text ? "at least " : "", width * height * channels * (text ? 2 : value_size), " bytes; ", left,
                         " are there");
    Tensor<std::uint8_t, 3> image;
    image.resize({static_cast<std::size_t>(height), static_cast<std::size_t>(width), channels});
    for (std::uint8_t& to : image) {
        std::uint64_t value = 0;
        if (text) {
            value = number("a value");
        } else {
            for (std::uint64_t i = 0; i < value_size; ++i) value = value << 8 | bytes[at++];
        }
        if (value > most)
            throw file.error("no value is above the maximum, ", most, "; found ", value, " before byte ", at);
        to = static_cast<std::uint8_t>((value * 255 + most / 2) / most);
    }
    return image;
}

} // namespace readers
