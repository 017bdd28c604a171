#include "random_tensors.hpp"
#include "write_file.hpp"

#include "../../../examples/paper/cure_tsr.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <utility>

using namespace gradcon;

namespace {

using Images = Tensor<std::uint8_t, 4>;

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

TEST_SUITE("CURE-TSR") {
    TEST_CASE("CURE-TSR: every bitmap below a folder, in the order of the names") {
        const TemporaryFolder folder;
        const auto deep = folder.path / "Real" / "Schnee-\u00e9"; // a name that is not ASCII
        std::filesystem::create_directories(deep);
        write_file(deep / "01_14_11_05_0002.bmp", bmp(4, 4));
        write_file(folder.path / "Real" / "02_03_00_00_123456.BMP", bmp(5, -7, 32));
        write_file(folder.path / "01_04_08_03_0123.bmp", bmp(9, 8));
        write_file(folder.path / "readme.txt", {1});
        const auto set = paper::read_cure_tsr(folder.path, 4, 4);
        REQUIRE(set.images.shape() == std::array<std::size_t, 4>{3, 4, 4, 3});
        const auto about = [&](std::size_t i) {
            const auto& sign = set.signs.at(i);
            return std::array{sign.sequence, sign.sign, sign.challenge, sign.level, sign.index};
        };
        CHECK(about(0) == std::array{1, 4, 8, 3, 123});
        CHECK(about(1) == std::array{1, 14, 11, 5, 2});
        CHECK(about(2) == std::array{2, 3, 0, 0, 123456});
        CHECK(set.paths.at(1) == deep / "01_14_11_05_0002.bmp");
        CHECK(set.images(1, 2, 3, 0) == 23); // 4 x 4 already
        CHECK(set.images(2, 0, 0, 2) == 200);
        CHECK_THROWS_AS(paper::read_cure_tsr(folder.path, 0, 4), ShapeError);
        write_file(folder.path / "01_04_08_03_0124.bmp", {'B', 'M'});
        CHECK(throws_naming<FileError>([&] { paper::read_cure_tsr(folder.path, 4, 4); },
                                       {"01_04_08_03_0124.bmp", "54 bytes"}));
    }

    TEST_CASE("CURE-TSR: names are read strictly") {
        for (const char* name : {"1_04_08_03_0123.bmp", "01_04_08_03.bmp", "01_04_08_03_012.bmp",
                                 "01-04_08_03_0123.bmp", "01_04_08_03_0123_.bmp", "01_04_08_+3_0123.bmp",
                                 "01_04_08_03_0123456789.bmp", ".bmp", "01_04_08_03_012x.bmp", "a01_04_08_03_0123.bmp"})
            CHECK(throws_naming<FileError>([&] { paper::parse_cure_tsr_name(name); }, {name, "01_04_08_03_0123.bmp"}));
        const auto out = [](const char* name, std::initializer_list<std::string_view> parts) {
            CHECK(throws_naming<FileError>([&] { paper::parse_cure_tsr_name(name); }, parts));
        };
        out("00_04_08_03_0123.bmp", {"sequence type", "1 and 2", "found 0"});
        out("01_15_08_03_0123.bmp", {"sign type", "1 and 14", "found 15"});
        out("01_04_13_03_0123.bmp", {"challenge type", "0 and 12", "found 13"});
        out("01_04_12_06_0123.bmp", {"challenge level", "0 and 5", "found 6"});
        const TemporaryFolder folder;
        CHECK(throws_naming<FileError>([&] { paper::read_cure_tsr(folder.path, 4, 4); }, {"no .bmp file"}));
        CHECK(throws_naming<FileError>([&] { paper::read_cure_tsr(folder.path / "none", 4, 4); }, {"none", "folder"}));
        write_file(folder.path / "stop.bmp", bmp(4, 4));
        CHECK(throws_naming<FileError>([&] { paper::read_cure_tsr(folder.path, 4, 4); }, {"stop.bmp", "names are"}));
    }
}
