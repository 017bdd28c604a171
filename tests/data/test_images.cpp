// Readers of CIFAR-10, bitmaps and CURE-TSR; resizing.
#include "random_tensors.hpp"

#include <gradcon/data/bmp.hpp>
#include <gradcon/data/cifar10.hpp>
#include <gradcon/data/cure_tsr.hpp>
#include <gradcon/detector/resize.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

using namespace gradcon;

namespace {

using Bytes = std::vector<std::uint8_t>;
using Images = Tensor<std::uint8_t, 4>;

void write(const std::filesystem::path& path, const Bytes& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// Records with these labels; byte i of record r is 7 r + 3 i.
Bytes cifar(const Bytes& labels) {
    Bytes bytes;
    for (std::size_t r = 0; r < labels.size(); ++r) {
        bytes.push_back(labels[r]);
        for (std::size_t i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(7 * r + 3 * i));
    }
    return bytes;
}

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

Images as_batch(const Tensor<std::uint8_t, 3>& image) {
    Images batch;
    batch.resize({1, image.shape()[0], image.shape()[1], image.shape()[2]});
    std::ranges::copy(image, batch.data());
    return batch;
}

} // namespace

TEST_SUITE("images") {
    TEST_CASE("CIFAR-10: planes become pixels, and the folder's two parts") {
        const TemporaryFolder folder;
        for (std::uint8_t batch = 1; batch <= 5; ++batch)
            write(folder.path / ("data_batch_" + std::to_string(batch) + ".bin"), cifar({batch, 9}));
        CHECK(throws_naming<FileError>([&] { data::read_cifar10_folder(folder.path); },
                                       {"test_batch.bin", "no such file"}));
        write(folder.path / "test_batch.bin", cifar({0, 3, 8}));
        const auto parts = data::read_cifar10_folder(folder.path);
        CHECK(parts.train.images.shape() == std::array<std::size_t, 4>{10, 32, 32, 3});
        CHECK(parts.train.labels == Bytes{1, 9, 2, 9, 3, 9, 4, 9, 5, 9});
        CHECK(parts.test.labels == Bytes{0, 3, 8});
        for (const std::size_t channel : {0U, 1U, 2U})
            CHECK(parts.test.images(2, 5, 6, channel) ==
                  static_cast<std::uint8_t>(7 * 2 + 3 * (channel * 1024 + 5 * 32 + 6)));
        CHECK(parts.train.images(7, 31, 31, 2) == static_cast<std::uint8_t>(7 + 3 * 3071));
    }

    TEST_CASE("broken CIFAR-10 files are refused by rule") {
        const TemporaryFolder folder;
        const auto path = folder.path / "batch.bin";
        const auto refused = [&](const Bytes& bytes, std::initializer_list<std::string_view> parts) {
            write(path, bytes);
            CHECK(throws_naming<FileError>([&] { data::read_cifar10(path); }, parts));
        };
        CHECK(throws_naming<FileError>([&] { data::read_cifar10(path); }, {"batch.bin", "no such file"}));
        CHECK(throws_naming<FileError>([&] { data::read_cifar10(folder.path); }, {"not a regular file"}));
        refused({}, {"batch.bin", "3073 bytes", "found 0"});
        refused(Bytes(3072, 0), {"found 3072"});
        refused(Bytes(2 * 3073 + 1, 0), {"found 6147"});
        refused(cifar({1, 10, 2}), {"0 to 9", "record 1 of 3", "has 10"});
    }

    TEST_CASE("bitmaps of 24 and 32 bits, from below and from above, every padding, longer headers") {
        const TemporaryFolder folder;
        const auto path = folder.path / "image.bmp";
        for (const std::int32_t width : {1, 2, 3, 4, 5})
            for (const std::int32_t height : {1, 3, -3})
                for (const std::uint32_t bits : {24U, 32U})
                    for (const std::uint32_t info_size : {40U, 124U}) {
                        Bytes bytes = bmp(width, height, bits, info_size);
                        if (width == 2) bytes.push_back(1); // a byte behind does not matter
                        write(path, bytes);
                        const auto image = data::read_bmp(path);
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
            write(path, bytes);
            CHECK(throws_naming<FileError>([&] { data::read_bmp(path); }, parts));
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
        write(path, huge);
        CHECK(throws_naming<FileError>([&] { data::read_bmp(path); }, {"24 are there"}));
        for (std::size_t size = 0; size < good.size(); ++size) {
            write(path, Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)));
            CHECK_THROWS_AS(data::read_bmp(path), FileError);
        }
        for (std::size_t bit = 0; bit < 54 * 8; ++bit) {
            Bytes flipped = good;
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
            write(path, flipped);
            try {
                const auto image = data::read_bmp(path); // such as a flipped bit of the resolution
                CHECK(image.size() <= 18);
            } catch (const FileError&) {}
        }
    }

    TEST_CASE("resize gives Pillow's bytes") {
        const std::string folder = GRADCON_TESTS_DIR "/golden/resized/from-";
        struct Case {
            std::string from, to;
        };
        for (const Case& sizes : {Case{"32x32", "28x28"}, {"7x5", "32x40"}, {"37x23", "11x16"}, {"37x23", "5x31"}}) {
            const auto original = as_batch(data::read_bmp(folder + sizes.from + ".bmp"));
            const auto expected = as_batch(data::read_bmp(folder + sizes.from + "-to-" + sizes.to + ".bmp"));
            const auto resized = resize(original, expected.shape()[1], expected.shape()[2]);
            REQUIRE(resized.shape() == expected.shape());
            CHECK_MESSAGE(resized == expected, sizes.from, " to ", sizes.to);
        }
    }

    TEST_CASE("resize: the same size changes nothing, constants stay, channels and images do not mix, limits") {
        Images images;
        images.resize({3, 9, 12, 2});
        Rng rng(4);
        for (auto& value : images) value = static_cast<std::uint8_t>(random_index(rng, 256));
        CHECK(resize(images, 9, 12) == images);
        const auto small = resize(images, 4, 5);
        CHECK(small.shape() == std::array<std::size_t, 4>{3, 4, 5, 2});
        Images second;
        second.resize({1, 9, 12, 1});
        for (std::size_t y = 0; y < 9; ++y)
            for (std::size_t x = 0; x < 12; ++x) second(0, y, x, 0) = images(2, y, x, 1);
        const auto alone = resize(second, 4, 5);
        for (std::size_t y = 0; y < 4; ++y)
            for (std::size_t x = 0; x < 5; ++x) CHECK(alone(0, y, x, 0) == small(2, y, x, 1));
        Images white;
        white.resize({1, 200, 1, 1});
        std::fill(white.begin(), white.end(), 255);
        for (const auto value : resize(white, 1, 3)) CHECK(value == 255);
        Images none;
        none.resize({0, 5, 5, 1});
        CHECK(resize(none, 2, 2).size() == 0);
        CHECK(throws_naming<ShapeError>([&] { resize(images, 0, 5); }, {"3 x 9 x 12 x 2", "3 x 0 x 5 x 2"}));
        none.resize({1, 5, 0, 1});
        CHECK_THROWS_AS(resize(none, 2, 2), ShapeError);
        CHECK_THROWS_AS(resize(images, std::size_t{1} << 62, 5), ShapeError);
    }

    TEST_CASE("CURE-TSR: every bitmap below a folder, in the order of the names") {
        const TemporaryFolder folder;
        const auto deep = folder.path / "Real" / "Schnee-\u00e9"; // a name that is not ASCII
        std::filesystem::create_directories(deep);
        write(deep / "01_14_11_05_0002.bmp", bmp(4, 4));
        write(folder.path / "Real" / "02_03_00_00_123456.BMP", bmp(5, -7, 32));
        write(folder.path / "01_04_08_03_0123.bmp", bmp(9, 8));
        write(folder.path / "readme.txt", {1});
        const auto set = data::read_cure_tsr(folder.path, 4, 4);
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
        CHECK_THROWS_AS(data::read_cure_tsr(folder.path, 0, 4), ShapeError);
        write(folder.path / "01_04_08_03_0124.bmp", {'B', 'M'});
        CHECK(throws_naming<FileError>([&] { data::read_cure_tsr(folder.path, 4, 4); },
                                       {"01_04_08_03_0124.bmp", "54 bytes"}));
    }

    TEST_CASE("CURE-TSR: names are read strictly") {
        for (const char* name : {"1_04_08_03_0123.bmp", "01_04_08_03.bmp", "01_04_08_03_012.bmp",
                                 "01-04_08_03_0123.bmp", "01_04_08_03_0123_.bmp", "01_04_08_+3_0123.bmp",
                                 "01_04_08_03_0123456789.bmp", ".bmp", "01_04_08_03_012x.bmp", "a01_04_08_03_0123.bmp"})
            CHECK(throws_naming<FileError>([&] { data::parse_cure_tsr_name(name); }, {name, "01_04_08_03_0123.bmp"}));
        const auto out = [](const char* name, std::initializer_list<std::string_view> parts) {
            CHECK(throws_naming<FileError>([&] { data::parse_cure_tsr_name(name); }, parts));
        };
        out("00_04_08_03_0123.bmp", {"sequence type", "1 and 2", "found 0"});
        out("01_15_08_03_0123.bmp", {"sign type", "1 and 14", "found 15"});
        out("01_04_13_03_0123.bmp", {"challenge type", "0 and 12", "found 13"});
        out("01_04_12_06_0123.bmp", {"challenge level", "0 and 5", "found 6"});
        const TemporaryFolder folder;
        CHECK(throws_naming<FileError>([&] { data::read_cure_tsr(folder.path, 4, 4); }, {"no .bmp file"}));
        CHECK(throws_naming<FileError>([&] { data::read_cure_tsr(folder.path / "none", 4, 4); }, {"none", "folder"}));
        write(folder.path / "stop.bmp", bmp(4, 4));
        CHECK(throws_naming<FileError>([&] { data::read_cure_tsr(folder.path, 4, 4); }, {"stop.bmp", "names are"}));
    }
}
