#include "random_tensors.hpp"
#include "write_file.hpp"

#include "../../../examples/gradcon/readers/bmp.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

using namespace gradcon;

namespace {

void put(Bytes& bytes, std::size_t at, std::uint32_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

/// A bitmap whose pixel (y, x) is red 10 y + x, green 100, blue 200.
Bytes bmp(std::int32_t width, std::int32_t height, std::uint32_t bits = 24, std::uint32_t info_size = 40) {
    const auto columns = static_cast<std::size_t>(width), rows = static_cast<std::size_t>(std::abs(height)),
               stride = (columns * bits / 8 + 3) / 4 * 4;
    const std::size_t offset = 14 + info_size;
    Bytes bytes(offset + rows * stride, 77); // the padding, too
    bytes[0] = 'B';
    bytes[1] = 'M';
    put(bytes, 10, static_cast<std::uint32_t>(offset), 4);
    put(bytes, 14, info_size, 4);
    put(bytes, 18, static_cast<std::uint32_t>(width), 4);
    put(bytes, 22, static_cast<std::uint32_t>(height), 4);
    put(bytes, 26, 1, 2);
    put(bytes, 28, bits, 2);
    put(bytes, 30, 0, 4);
    for (std::size_t y = 0; y < rows; ++y)
        for (std::size_t x = 0; x < columns; ++x)
            put(bytes, offset + (height < 0 ? y : rows - 1 - y) * stride + x * bits / 8,
                static_cast<std::uint32_t>((10 * y + x) << 16 | 100 << 8 | 200), 3);
    return bytes;
}

} // namespace

TEST_SUITE("bmp") {
    TEST_CASE("bitmaps of 24 and 32 bits, from below and from above, every padding, longer headers") {
        const TemporaryFolder folder;
        const auto path = folder.path / "image.bmp";
        for (const std::int32_t width : {1, 2, 3, 4, 5})
            for (const std::int32_t height : {1, 3, -3})
                for (const std::uint32_t bits : {24U, 32U})
                    for (const std::uint32_t info_size : {40U, 124U}) {
                        Bytes bytes = bmp(width, height, bits, info_size);
                        if (width == 2) bytes.push_back(1); // a byte behind does not matter
                        write_file(path, bytes);
                        const auto image = readers::read_bmp(path);
                        const auto rows = static_cast<std::size_t>(std::abs(height)),
                                   columns = static_cast<std::size_t>(width);
                        REQUIRE(image.shape() == std::array<std::size_t, 3>{rows, columns, 3});
                        for (std::size_t y = 0; y < rows; ++y)
                            for (std::size_t x = 0; x < columns; ++x) {
                                CHECK(image(y, x, 0) == 10 * y + x);
                                CHECK(image(y, x, 1) == 100);
                                CHECK(image(y, x, 2) == 200);
                            }
                    }
    }

    TEST_CASE("broken bitmaps are refused by rule, before anything is allocated") {
        const TemporaryFolder folder;
        const auto path = folder.path / "image.bmp";
        const Bytes good = bmp(3, 2);
        const auto refused = [&](std::size_t at, std::uint32_t value, std::size_t size,
                                 std::initializer_list<std::string_view> parts) {
            Bytes bytes = good;
            put(bytes, at, value, size);
            write_file(path, bytes);
            CHECK(throws_naming<FileError>([&] { readers::read_bmp(path); }, parts));
        };
        constexpr std::uint32_t most = std::numeric_limits<std::int32_t>::max();
        refused(0, 'P', 1, {"image.bmp", "66 and 77", "80 and 77"});
        refused(10, 53, 4, {"78 bytes", "cannot begin at 53"});
        refused(10, 79, 4, {"cannot begin at 79"});
        refused(10, 55, 4, {"2 rows of 12 bytes; 23 are there"});
        refused(14, 12, 4, {"40 bytes or more", "12"});
        refused(14, 0xFFFFFFFF, 4, {"cannot begin"});
        refused(18, 0, 4, {"0 x 2"});
        refused(18, 0xFFFFFFFF, 4, {"-1 x 2"});
        refused(18, most, 4, {"2147483647 x 2", "24 are there"});
        refused(22, 0, 4, {"3 x 0"});
        refused(22, 3, 4, {"3 rows of 12 bytes"});
        refused(22, 0x80000000, 4, {"3 x 2147483648", "24 are there"});
        refused(26, 0, 2, {"1 plane", "0"});
        refused(28, 8, 2, {"24 or 32 bits", "8", "palette"});
        refused(28, 16, 2, {"24 or 32 bits", "16"});
        refused(30, 1, 4, {"without compression", "1"});
        refused(30, 3, 4, {"without compression", "3"});
        Bytes huge = good; // the largest that the header can ask for: nearly 2^64 bytes
        put(huge, 18, most, 4);
        put(huge, 22, 0x80000000, 4);
        put(huge, 28, 32, 2);
        write_file(path, huge);
        CHECK(throws_naming<FileError>([&] { readers::read_bmp(path); }, {"24 are there"}));
        for (std::size_t size = 0; size < good.size(); ++size) {
            write_file(path, Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)));
            CHECK_THROWS_AS(readers::read_bmp(path), FileError);
        }
        for (std::size_t bit = 0; bit < 54 * 8; ++bit) {
            Bytes flipped = good;
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
            write_file(path, flipped);
            try {
                const auto image = readers::read_bmp(path); // such as a flipped bit of the resolution
                CHECK(image.size() <= 18);
            } catch (const FileError&) {}
        }
    }
}
