// Readers of PNG, JPEG, PGM and PPM; the writer of PNG; which files of a folder are pictures.
#include "encoded_pictures.hpp"
#include "random_tensors.hpp"
#include "write_file.hpp"

#include "../../../examples/gradcon/readers/jpeg.hpp"
#include "../../../examples/gradcon/readers/picture_file.hpp"
#include "../../../examples/gradcon/readers/png.hpp"
#include "../../../examples/gradcon/readers/pnm.hpp"

#include <doctest/doctest.h>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

using namespace encoded;
using namespace gradcon;

namespace {

namespace fs = std::filesystem;
using Image = Tensor<std::uint8_t, 3>;
using Extents = std::array<std::size_t, 3>;

/// What `action` writes to the standard error stream.
std::string printed(const std::function<void()>& action) {
    const TemporaryFolder folder;
    const auto path = folder.path / "printed";
    std::fflush(stderr);
    const int before = ::dup(2), file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    REQUIRE(before >= 0);
    REQUIRE(file >= 0);
    ::dup2(file, 2);
    action();
    std::fflush(stderr);
    ::dup2(before, 2);
    ::close(before);
    ::close(file);
    std::ifstream read(path);
    return {std::istreambuf_iterator<char>(read), {}};
}

std::size_t to_byte(std::size_t value, std::size_t depth) {
    const std::size_t most = (std::size_t{1} << depth) - 1;
    return (value * 255 * 2 + most) / (2 * most);
}

bool near(int a, int b, int most = 2) { return std::abs(a - b) <= most; }

/// Where a start-of-frame marker is: then come length (2 bytes), precision, height (2) and width (2).
std::size_t frame_at(const Bytes& bytes) {
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
        if (bytes[i] == 0xFF && (bytes[i + 1] == 0xC0 || bytes[i + 1] == 0xC2)) return i;
    FAIL("no frame");
    return 0;
}

/// Reads `bytes` through a file of the name.
class Reader {
  public:
    using Read = std::function<Image(const fs::path&)>;
    explicit Reader(Read read, const std::string& name = "picture")
        : read_(std::move(read)), path_(folder_.path / name) {}

    Image operator()(const Bytes& bytes) const {
        write_file(path_, bytes);
        return read_(path_);
    }
    /// The bytes are refused by a message with the file's name and these parts.
    bool refuses(const Bytes& bytes, std::vector<std::string> parts) const {
        parts.push_back(path_.filename().string() + ": ");
        try {
            (*this)(bytes);
        } catch (const FileError& error) {
            for (const std::string& part : parts)
                if (std::string(error.what()).find(part) == std::string::npos) {
                    std::fprintf(stderr, "the message lacks \"%s\": %s\n", part.c_str(), error.what());
                    return false;
                }
            return true;
        }
        return false;
    }
    /// Nothing but a FileError is thrown, and no image has more than `most` values.
    void survives(const Bytes& bytes, std::size_t most) const {
        try {
            const std::size_t size = (*this)(bytes).size();
            CHECK(size <= most);
        } catch (const FileError&) {}
    }
    /// How many of the file's beginnings are read: all but the whole file are to be refused.
    std::size_t beginnings_read(const Bytes& bytes) const {
        std::size_t read = 0;
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            try {
                (*this)(first(bytes, size));
                ++read;
            } catch (const FileError&) {}
        }
        return read;
    }

  private:
    TemporaryFolder folder_;
    Read read_;
    fs::path path_;
};

const Reader::Read png_reader = [](const fs::path& path) { return readers::read_png(path); };
const Reader::Read jpeg_reader = [](const fs::path& path) { return readers::read_jpeg(path); };
const Reader::Read pnm_reader = [](const fs::path& path) { return readers::read_pnm(path); };

} // namespace

TEST_SUITE("pictures") {
    TEST_CASE("PNG: every kind, depth and size, interlaced or not") {
        const Reader read(png_reader);
        struct Kind {
            std::size_t type, depth;
        };
        const std::vector<Kind> kinds{{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                                      {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
        for (const auto& [type, depth] : kinds)
            for (const bool interlaced : {false, true})
                for (const auto& [width, height] :
                     {std::pair<std::size_t, std::size_t>{1, 1}, {3, 5}, {9, 10}, {17, 2}}) {
                    const Png png{.width = width,
                                  .height = height,
                                  .depth = depth,
                                  .type = type,
                                  .interlaced = interlaced,
                                  .before_data = type == 3 ? palette(std::size_t{1} << depth) : Bytes()};
                    const Image image = read(encode(png));
                    const std::size_t channels = type == 0 || type == 4 ? 1 : 3;
                    REQUIRE(image.shape() == Extents{height, width, channels});
                    bool same = true;
                    for (std::size_t y = 0; y < height; ++y)
                        for (std::size_t x = 0; x < width; ++x)
                            for (std::size_t channel = 0; channel < channels; ++channel) {
                                const std::size_t index = png.value(y, x, 0),
                                                  colour = std::array<std::size_t, 3>{10 * index % 256, 255 - index,
                                                                                      7}[channel];
                                same = same && image(y, x, channel) ==
                                                   (type == 3 ? colour : to_byte(png.value(y, x, channel), depth));
                            }
                    CHECK_MESSAGE(same, "type ", png.type, ", ", png.depth, " bits, ", png.width, " x ", png.height);
                }
    }

    TEST_CASE("PNG: transparent colours and chunks of other meaning change nothing") {
        const Reader read(png_reader);
        Png png{.width = 3, .height = 2, .depth = 2, .type = 3, .before_data = palette(4)};
        const Image opaque = read(encode(png));
        append(png.before_data, chunk("tRNS", {0, 128}));
        CHECK(read(encode(png)) == opaque);
        Png colours{.width = 3, .height = 2};
        const Image plain = read(encode(colours));
        append(colours.before_data, chunk("gAMA", {0, 0, 0x10, 0}));
        append(colours.before_data, chunk("tRNS", {0, 1, 0, 2, 0, 3}));
        append(colours.before_data, chunk("tEXt", text("broken\0below")));
        colours.before_data.back() ^= 1; // a checksum that only a warning minds
        Bytes bytes = encode(colours);
        append(bytes, {1, 2, 3}); // behind the end
        CHECK(printed([&] { CHECK(read(bytes) == plain); }).empty());
        Png gray{.width = 5, .height = 1, .depth = 4, .type = 0};
        const Image gray_plain = read(encode(gray));
        append(gray.before_data, chunk("tRNS", {0, 5}));
        CHECK(read(encode(gray)) == gray_plain);
    }

    TEST_CASE("PNG: broken files are refused by rule") {
        const Reader read(png_reader, "broken.png");
        const Png png{.width = 3, .height = 2};
        const Bytes good = encode(png);
        CHECK(read.refuses({}, {"8 bytes 137 80 78 71"}));
        CHECK(read.refuses(text("GIF89a and more"), {"8 bytes 137 80 78 71"}));
        CHECK(read.refuses(first(good, 40), {"damaged PNG data", "the file ends before the image does"}));
        Bytes damaged = good;
        damaged[45] ^= 1;
        CHECK(read.refuses(damaged, {"damaged PNG data", "IDAT"}));
        Png one_bit{.width = 3, .height = 2, .depth = 3};
        CHECK(read.refuses(encode(one_bit), {"damaged PNG data", "IHDR"}));
        one_bit = {.width = 3, .height = 2, .type = 3}; // no palette
        CHECK(read.refuses(encode(one_bit), {"damaged PNG data", "PLTE"}));
        CHECK(throws_naming<FileError>([] { readers::read_png("/none/a.png"); }, {"/none/a.png", "no such file"}));
        CHECK(throws_naming<FileError>([] { readers::read_png("/"); }, {"not a regular file"}));
        CHECK(printed([&] { CHECK(read.beginnings_read(good) == 0); }).empty());
    }

    TEST_CASE("PNG: every flipped bit of the header, its checksum wrong or right, and of the file") {
        const Reader read(png_reader);
        const Bytes good = encode(Png{.width = 3, .height = 2});
        for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
            Bytes flipped = good;
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
            if (bit < 33 * 8) CHECK(read.refuses(flipped, {}));
            else read.survives(flipped, 18);
            if (bit < 16 * 8 || bit >= 29 * 8) continue;
            Bytes repaired = first(flipped, 8);
            append(repaired, chunk("IHDR", {flipped.begin() + 16, flipped.begin() + 29}));
            append(repaired, {good.begin() + 33, good.end()});
            read.survives(repaired, 36); // such as another kind of colour
        }
    }

    TEST_CASE("PNG: pixels are counted before anything is allocated") {
        Bytes huge{137, 'P', 'N', 'G', 13, 10, 26, 10};
        append(huge, chunk("IHDR", header({.width = 50000, .height = 50000})));
        append(huge, chunk("IDAT", {0x78, 0x9C, 1, 2, 3, 4}));
        const Reader read(png_reader);
        CHECK(read.refuses(huge, {"50000 x 50000 pixels", "100000000", "most_pixels"}));
        const Reader unlimited([](const fs::path& path) { return readers::read_png(path, std::size_t(-1)); });
        CHECK(unlimited.refuses(huge, {"50000 x 50000 pixels of 24 bits", "PNG file of 51 bytes can hold"}));
        for (const std::size_t width : {51U * 344U, 51U * 344U + 1}) { // 1,032 x 8 / 24 = 344 pixels a byte
            Bytes wide{137, 'P', 'N', 'G', 13, 10, 26, 10};
            append(wide, chunk("IHDR", header({.width = width, .height = 1})));
            append(wide, chunk("IDAT", {0x78, 0x9C, 1, 2, 3, 4}));
            REQUIRE(wide.size() == 51);
            CHECK(read.refuses(wide, {width == 51U * 344U ? "damaged PNG data" : "17545 x 1 pixels of 24 bits"}));
        }
        Bytes widest{137, 'P', 'N', 'G', 13, 10, 26, 10};
        append(widest, chunk("IHDR", header({.width = 0x7FFFFFFF, .height = 0x7FFFFFFF, .depth = 16, .type = 6})));
        append(widest, chunk("IDAT", {}));
        CHECK(unlimited.refuses(widest, {"2147483647 x 2147483647 pixels of 64 bits"}));
        for (const std::size_t most : {5U, 6U}) {
            const Reader limited([most](const fs::path& path) { return readers::read_png(path, most); });
            const Bytes six = encode(Png{.width = 3, .height = 2});
            if (most == 6) CHECK(limited(six).size() == 18);
            else CHECK(limited.refuses(six, {"3 x 2 pixels", "the 5 that most_pixels allows"}));
        }
        // zeros, which deflate best
        Bytes zeros(1000 * 3001), packed(compressBound(zeros.size()));
        uLongf size = packed.size();
        REQUIRE(compress2(packed.data(), &size, zeros.data(), zeros.size(), 9) == Z_OK);
        packed.resize(size);
        Bytes dense{137, 'P', 'N', 'G', 13, 10, 26, 10};
        append(dense, chunk("IHDR", header({.width = 1000, .height = 1000})));
        append(dense, chunk("IDAT", packed));
        append(dense, chunk("IEND", {}));
        CHECK(read(dense) == Image(xt::zeros<std::uint8_t>({1000, 1000, 3})));
    }

    TEST_CASE("write_png: what is written is read again; the whole file or nothing") {
        const TemporaryFolder folder;
        const auto path = folder.path / "Ma\u00df-\u753b\u50cf.png";
        Rng rng(3);
        for (const std::size_t channels : {1U, 3U}) {
            Image image;
            image.resize({13, 7, channels});
            for (auto& value : image) value = static_cast<std::uint8_t>(random_index(rng, 256));
            readers::write_png(path, image);
            CHECK(readers::read_png(path) == image); // the second replaces the first
            CHECK(readers::read_picture(path) == image);
        }
        const auto files = [&] { return std::distance(fs::directory_iterator(folder.path), {}); };
        CHECK(files() == 1);
        Image image;
        image.resize({2, 2, 1});
        std::fill(image.begin(), image.end(), 4);
        fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
        readers::write_png(path, image);
        CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
        CHECK(throws_naming<FileError>([&] { readers::write_png(folder.path / "none" / "a.png", image); },
                                       {"none/a.png", "no file can be created beside it", "No such file"}));
        fs::create_directory(folder.path / "folder.png");
        CHECK(throws_naming<FileError>([&] { readers::write_png(folder.path / "folder.png", image); },
                                       {"folder.png", "cannot be replaced"}));
        CHECK(files() == 2);
        write_file(folder.path / "b.png.new0", {1}); // another's
        readers::write_png(folder.path / "b.png", image);
        CHECK(fs::file_size(folder.path / "b.png.new0") == 1);
        CHECK(files() == 4);
        if (fs::exists("/dev/full")) {
            fs::create_symlink("/dev/full", folder.path / "c.png"); // a link is replaced, not what it leads to
            readers::write_png(folder.path / "c.png", image);
            CHECK(readers::read_png(folder.path / "c.png") == image);
        }
        for (const Extents shape : {Extents{2, 2, 2}, Extents{2, 2, 4}, Extents{0, 2, 3}, Extents{2, 0, 3}}) {
            image.resize(shape);
            CHECK(throws_naming<ShapeError>([&] { readers::write_png(path, image); },
                                            {"1 or 3 channels", shape_string(shape)}));
        }
    }

    TEST_CASE("JPEG: gray and colours, baseline and progressive, with and without subsampling") {
        const Reader read(jpeg_reader);
        const auto progressive = [](jpeg_compress_struct& c) { jpeg_simple_progression(&c); };
        const auto full = [](jpeg_compress_struct& c) {
            for (int i = 0; i < 3; ++i) c.comp_info[i].h_samp_factor = c.comp_info[i].v_samp_factor = 1;
        };
        const auto arithmetic = [](jpeg_compress_struct& c) { c.arith_code = TRUE; };
        const auto plain = [](jpeg_compress_struct&) {};
        const auto as_rgb = [](jpeg_compress_struct& c) { jpeg_set_colorspace(&c, JCS_RGB); };
        for (const auto& [width, height] : {std::pair<std::size_t, std::size_t>{1, 1}, {19, 10}, {32, 24}}) {
            for (const std::function<void(jpeg_compress_struct&)>& set_up :
                 {std::function<void(jpeg_compress_struct&)>(plain), {progressive}, {arithmetic}}) {
                Jpeg jpeg = gray_jpeg(width, height);
                jpeg.set_up = set_up;
                const Image image = read(encode(jpeg));
                REQUIRE(image.shape() == Extents{height, width, 1});
                bool same = true;
                for (std::size_t y = 0; y < height; ++y)
                    for (std::size_t x = 0; x < width; ++x)
                        same = same && near(image(y, x, 0), jpeg.value(y / 8, x / 8, 0), 1);
                CHECK(same);
            }
            for (const std::function<void(jpeg_compress_struct&)>& set_up :
                 {std::function<void(jpeg_compress_struct&)>(full), {as_rgb}}) {
                Jpeg jpeg{.width = width, .height = height};
                jpeg.set_up = set_up;
                const Image image = read(encode(jpeg));
                REQUIRE(image.shape() == Extents{height, width, 3});
                bool same = true;
                for (std::size_t y = 0; y < height; ++y)
                    for (std::size_t x = 0; x < width; ++x)
                        for (std::size_t channel = 0; channel < 3; ++channel)
                            same = same && near(image(y, x, channel), jpeg.value(y / 8, x / 8, channel), 3);
                CHECK(same);
            }
            Jpeg one_colour{.width = width, .height = height};
            one_colour.value = [](std::size_t, std::size_t, std::size_t channel) {
                return std::array{200, 100, 30}[channel];
            };
            one_colour.set_up = progressive; // and its colours of half the size
            const Image image = read(encode(one_colour));
            REQUIRE(image.shape() == Extents{height, width, 3});
            CHECK(near(image(height - 1, width - 1, 0), 200));
            CHECK(near(image(height - 1, width - 1, 1), 100));
            CHECK(near(image(0, 0, 2), 30));
        }
    }

    TEST_CASE("JPEG: inks become colours") {
        const Reader read(jpeg_reader);
        Jpeg jpeg{.width = 16, .height = 16, .channels = 4, .space = JCS_CMYK};
        // as Adobe stores them, 255 for no ink
        const std::array<std::array<int, 4>, 4> inks{
            {{255, 255, 255, 255}, {0, 255, 255, 255}, {255, 100, 20, 128}, {255, 255, 255, 0}}};
        const std::array<std::array<int, 3>, 4> colours{{{255, 255, 255}, {0, 255, 255}, {128, 50, 10}, {0, 0, 0}}};
        jpeg.value = [&](std::size_t y, std::size_t x, std::size_t channel) { return inks.at(2 * y + x)[channel]; };
        for (const J_COLOR_SPACE space : {JCS_CMYK, JCS_YCCK})
            for (const boolean marked : {TRUE, FALSE}) {
                if (space == JCS_YCCK && marked == FALSE) continue; // only the marker tells it from CMYK
                jpeg.set_up = [&](jpeg_compress_struct& c) {
                    jpeg_set_colorspace(&c, space);
                    c.write_Adobe_marker = marked;
                    for (int i = 0; i < 4; ++i) c.comp_info[i].h_samp_factor = c.comp_info[i].v_samp_factor = 1;
                };
                const Image image = read(encode(jpeg));
                REQUIRE(image.shape() == Extents{16, 16, 3});
                for (std::size_t block = 0; block < 4; ++block)
                    for (std::size_t channel = 0; channel < 3; ++channel)
                        CHECK(near(image(8 * (block / 2) + 3, 8 * (block % 2) + 3, channel),
                                   colours.at(block).at(channel)));
            }
    }

    TEST_CASE("JPEG: EXIF data turn the image, in all eight ways") {
        const Reader read(jpeg_reader);
        // Where the file's first pixel and the last of its first row are to be seen: top or bottom, left or right.
        struct Corner {
            bool bottom, right;
        };
        constexpr Corner top_left{false, false}, top_right{false, true}, bottom_left{true, false},
            bottom_right{true, true};
        const std::array<std::array<Corner, 2>, 8> seen{{{top_left, top_right},
                                                         {top_right, top_left},
                                                         {bottom_right, bottom_left},
                                                         {bottom_left, bottom_right},
                                                         {top_left, bottom_left},
                                                         {top_right, bottom_right},
                                                         {bottom_right, top_right},
                                                         {bottom_left, top_left}}};
        for (const int channels : {1, 3})
            for (const bool little : {false, true})
                for (std::uint16_t orientation = 1; orientation <= 8; ++orientation) {
                    Jpeg jpeg{.width = 40, .height = 16, .channels = channels};
                    jpeg.space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
                    jpeg.value = [](std::size_t y, std::size_t x, std::size_t) {
                        return y == 0 && x == 0 ? 200 : y == 0 && x == 4 ? 120 : 20;
                    };
                    jpeg.app1 = {text("http://ns.adobe.com/xap/1.0/"), exif(orientation, little)};
                    const Image image = read(encode(jpeg));
                    const std::size_t height = orientation < 5 ? 16 : 40, width = orientation < 5 ? 40 : 16;
                    REQUIRE(image.shape() == Extents{height, width, static_cast<std::size_t>(channels)});
                    const auto at = [&](Corner corner) {
                        return int{image(corner.bottom ? height - 1 : 0, corner.right ? width - 1 : 0, 0)};
                    };
                    CHECK_MESSAGE(near(at(seen.at(orientation - 1U)[0]), 200), "orientation ", orientation);
                    CHECK_MESSAGE(near(at(seen.at(orientation - 1U)[1]), 120), "orientation ", orientation);
                    int bright = 0;
                    for (const auto value : image) bright += value > 60 ? 1 : 0;
                    CHECK(bright == 2 * 64 * channels); // every pixel is there once
                }
    }

    TEST_CASE("JPEG: EXIF data that say nothing of use leave the image as it is") {
        const Reader read(jpeg_reader);
        Jpeg jpeg = gray_jpeg(16, 8);
        const auto shape = [&](Bytes marker) {
            jpeg.app1 = {std::move(marker)};
            const Image image = read(encode(jpeg));
            return Extents{image.shape()[0], image.shape()[1], image.shape()[2]};
        };
        const Extents stored{8, 16, 1}, turned{16, 8, 1};
        const Bytes good = exif(6);
        CHECK(shape(good) == turned);
        for (const int orientation : {0, 9, 65535})
            CHECK(shape(exif(static_cast<std::uint16_t>(orientation))) == stored);
        CHECK(shape(exif(6, true, 4)) == stored);         // a type that it may not have
        CHECK(shape(exif(6, true, 3, 0x0113)) == stored); // another tag
        for (std::size_t size = 0; size < good.size(); ++size) {
            // the orientation's entry lies before the last 4 bytes
            CHECK(shape(first(good, size)) == (size + 4 < good.size() ? stored : turned));
        }
        for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
            Bytes flipped = good;
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
            const Extents now = shape(flipped);
            CHECK((now == stored || now == turned));
        }
        Bytes far = good;
        for (const std::size_t byte : {10U, 11U, 12U, 13U}) far[byte] = 255; // the directory's place
        CHECK(shape(far) == stored);
        Bytes many = exif(6, true, 3, 0x0113);
        many[14] = many[15] = 255; // the number of its entries
        CHECK(shape(many) == stored);
    }

    TEST_CASE("JPEG: broken files are refused, also where libjpeg would only warn") {
        const Reader read(jpeg_reader, "broken.jpg");
        CHECK(read.refuses({}, {"3 bytes 255 216 255"}));
        CHECK(read.refuses(text("GIF89a"), {"3 bytes 255 216 255"}));
        CHECK(read.refuses({255, 216, 255, 0xD9}, {"damaged JPEG data"}));
        CHECK(throws_naming<FileError>([] { readers::read_jpeg("/none/a.jpg"); }, {"/none/a.jpg", "no such file"}));
        Jpeg progressive{.width = 16, .height = 16};
        progressive.set_up = [](jpeg_compress_struct& c) { jpeg_simple_progression(&c); };
        for (const Bytes& good :
             {encode(gray_jpeg(16, 16)), encode(Jpeg{.width = 9, .height = 9}), encode(progressive)}) {
            CHECK(printed([&] { CHECK(read.beginnings_read(good) == 0); }).empty());
            CHECK(read.refuses(first(good, good.size() - 20), {"damaged JPEG data", "Premature end"}));
            Bytes longer = good;
            append(longer, {1, 2, 3});
            CHECK(read(longer) == read(good));
            for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
                Bytes flipped = good;
                flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
                read.survives(flipped, good.size() * 8 * 1024 * 3);
            }
        }
        Jpeg two = gray_jpeg(8, 8);
        two.channels = 2;
        two.space = JCS_UNKNOWN;
        CHECK(read.refuses(encode(two), {"1, 3 or 4 components", "found 2"}));
        Jpeg many_scans = gray_jpeg(16, 16);
        std::vector<jpeg_scan_info> script{{1, {0}, 0, 0, 0, 0}};
        for (int k = 1; k <= 63; ++k)
            for (int bit = 10; bit >= 0; --bit) script.push_back({1, {0}, k, k, bit == 10 ? 0 : bit + 1, bit});
        many_scans.set_up = [&](jpeg_compress_struct& c) {
            c.scan_info = script.data();
            c.num_scans = static_cast<int>(script.size());
        };
        CHECK(read.refuses(encode(many_scans), {"more than 500 scans"}));
        script.resize(1 + 11 * 45);
        CHECK(read(encode(many_scans)).size() == 256);
    }

    TEST_CASE("JPEG: pixels are counted before anything is allocated") {
        Bytes huge = encode(gray_jpeg(8, 8));
        const std::size_t frame = frame_at(huge);
        for (const std::size_t byte : {5U, 6U, 7U, 8U}) huge[frame + byte] = 255;
        const Reader read(jpeg_reader);
        // libjpeg itself stops at 65,500
        CHECK(read.refuses(huge, {"65500"}));
        for (const std::size_t byte : {6U, 8U}) huge[frame + byte] = 0;
        CHECK(read.refuses(huge, {"65280 x 65280 pixels", "100000000", "most_pixels"}));
        const Reader unlimited([](const fs::path& path) { return readers::read_jpeg(path, std::size_t(-1)); });
        CHECK(unlimited.refuses(huge, {"65280 x 65280 pixels", "a JPEG file of " + std::to_string(huge.size())}));
        for (const std::size_t more : {0U, 1U}) { // 8,192 pixels a byte
            const Bytes extents = big_endian((huge.size() + more) << 16 | 8192, 4);
            std::ranges::copy(extents, huge.begin() + static_cast<std::ptrdiff_t>(frame + 5));
            CHECK(read.refuses(huge, {more == 0 ? "damaged JPEG data" : "are more than a JPEG file of"}));
        }
        const Reader limited([](const fs::path& path) { return readers::read_jpeg(path, 63); });
        CHECK(limited.refuses(encode(gray_jpeg(8, 8)), {"8 x 8 pixels", "the 63 that most_pixels allows"}));
        // one gray, which needs the fewest bits
        Jpeg plain{.width = 4096, .height = 4096, .channels = 1, .space = JCS_GRAYSCALE};
        plain.value = [](std::size_t, std::size_t, std::size_t) { return 128; };
        plain.set_up = [](jpeg_compress_struct& c) { jpeg_simple_progression(&c); };
        CHECK(read(encode(plain))(4095, 4095, 0) == 128);
    }

    TEST_CASE("PGM and PPM: text and bytes, comments, every maximum") {
        const Reader read(pnm_reader);
        Image gray;
        gray.resize({2, 3, 1});
        std::ranges::copy(Bytes{0, 17, 34, 255, 238, 85}, gray.begin());
        CHECK(read(text("P2 3 2 15\n0 1 2\n15 14 5")) == gray);
        CHECK(read(text("P2#c\n#c 9\r3\t#width\n\n2 # height\n15#c\n 0 1 2 #c\n15\r\n14 5\n junk")) == gray);
        Bytes raw = text("P5\n3 2\n15\n");
        append(raw, {0, 1, 2, 15, 14, 5});
        CHECK(read(raw) == gray);
        raw.push_back(9); // behind the image
        CHECK(read(raw) == gray);
        Image colours;
        colours.resize({1, 2, 3});
        std::ranges::copy(Bytes{10, 20, 30, 35, 9, 200}, colours.begin());
        CHECK(read(text("P3\n2 1 255\n10 20 30 35 9 200\n")) == colours);
        raw = text("P6 2 1 255 ");
        append(raw, {10, 20, 30, 35, 9, 200}); // the fourth is '#', the fifth white space: values, no comment
        CHECK(read(raw) == colours);
        for (const std::size_t most : {1U, 2U, 3U, 100U, 254U, 255U, 256U, 1000U, 65534U, 65535U}) {
            const std::size_t step = most / 100 + 1, count = most / step + 1;
            Bytes values = text(message("P5 ", count, " 1 ", most, "\n"));
            std::string plain = message("P2 ", count, " 1 ", most);
            for (std::size_t i = 0; i < count; ++i) {
                append(values, big_endian(most - i * step, most > 255 ? 2 : 1));
                plain += message("\n", most - i * step);
            }
            const Image image = read(values);
            CHECK(read(text(plain)) == image);
            for (std::size_t i = 0; i < count; ++i)
                CHECK(image(0, i, 0) ==
                      std::lround(static_cast<double>(most - i * step) * 255 / static_cast<double>(most)));
        }
    }

    TEST_CASE("PGM and PPM: broken files are refused by rule") {
        const Reader read(pnm_reader, "broken.pgm");
        const auto refused = [&](std::string_view content, std::vector<std::string> parts) {
            CHECK(read.refuses(text(content), std::move(parts)));
        };
        refused("", {"P2, P3, P5 or P6"});
        for (const char* magic : {"P", "P1 1 1 0", "P4 1 1 0", "P7 1 1 1 0", "Q5 1 1 1 0"})
            refused(magic, {"P2, P3, P5 or P6"});
        refused("P5", {"the file ends before the width"});
        refused("P5 3 ", {"the file ends before the height"});
        refused("P5 3 2 # 255\n", {"the file ends before the maximum"});
        refused("P53 2 255\n123456", {"the width", "byte 51 at 2"});
        refused("P5 -3 2 255\n123456", {"the width", "byte 45 at 3"});
        refused("P5 3x2 255\n123456", {"the height", "byte 120 at 4"});
        refused("P5 99999999999999999999 2 255\n123456", {"the width", "larger than 2147483647"});
        refused("P5 0 2 255\n", {"0 x 2"});
        refused("P5 3 2 0\n123456", {"between 1 and 65535", "found 0"});
        refused("P5 3 2 65536\n123456", {"between 1 and 65535", "found 65536"});
        refused("P5 3 2 255", {"one white space"});
        refused("P5 3 2 255#\n123456", {"one white space"});
        refused("P5 3 2 255\n12345", {"3 x 2 pixels of 1 values up to 255 need 6 bytes; 5 are there"});
        refused("P5 3 2 256\n12345678901", {"need 12 bytes; 11 are there"});
        refused("P6 1 2 255\n12345", {"1 x 2 pixels of 3 values up to 255 need 6 bytes; 5 are there"});
        refused("P2 3 2 255 1 2 3 4 5", {"need at least 12 bytes; 10 are there"});
        refused("P2 3 2 255 111 222 33 44 55", {"the file ends before a value"});
        refused("P2 3 2 255 1 2 3 4 5 x", {"a value", "byte 120 at 21"});
        refused("P2 3 2 9 1 2 3 4 5 10", {"no value is above the maximum, 9; found 10"});
        refused("P5 2 1 48\n01", {"no value is above the maximum, 48; found 49"});
        refused("P5 50000 50000 255\n1", {"50000 x 50000", "100000000", "most_pixels"});
        const Reader unlimited([](const fs::path& path) { return readers::read_pnm(path, std::size_t(-1)); });
        CHECK(unlimited.refuses(text("P6 2147483647 2147483647 65535\n1"), {"1 are there"}));
        CHECK(throws_naming<FileError>([] { readers::read_pnm("/none/a.pgm"); }, {"/none/a.pgm", "no such file"}));
        Bytes raw = text("P6\n#c\n2 2\n255\n");
        raw.resize(raw.size() + 12, 200);
        CHECK(read.beginnings_read(raw) == 0);
        const Bytes plain = text("P2\n2 2\n255\n11 22 33 444"), good = text("P2\n2 2\n255\n11 22 33 44");
        CHECK(read.refuses(plain, {"found 444"}));
        CHECK(read.beginnings_read(good) == 1); // the one that ends in 4: nothing tells it from a whole file
        for (const Bytes& bytes : {raw, good})
            for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
                Bytes flipped = bytes;
                flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
                read.survives(flipped, bytes.size());
            }
    }

    TEST_CASE("read_picture tells the format by the content") {
        const TemporaryFolder folder;
        const auto path = folder.path / "\u00fcber.txt"; // whatever the name
        const auto read = [&](const Bytes& bytes, std::size_t most = readers::default_most_pixels) {
            write_file(path, bytes);
            const Image image = readers::read_picture(path, most);
            return Extents{image.shape()[0], image.shape()[1], image.shape()[2]};
        };
        const auto refused = [&](const Bytes& bytes, std::initializer_list<std::string_view> parts,
                                 std::size_t most = 6) {
            CHECK(throws_naming<FileError>([&] { read(bytes, most); }, parts));
        };
        const std::vector<Bytes> gray{encode(Png{.width = 3, .height = 2, .type = 0}), encode(gray_jpeg(3, 2)),
                                      text("P5 3 2 255\n123456"), text("P2 3 2 255 1 2 3 4 5 6")};
        const std::vector<Bytes> colours{encode(Png{.width = 3, .height = 2}), encode(Jpeg{.width = 3, .height = 2}),
                                         bmp(3, 2), text("P6 3 2 255\n123456789012345678"),
                                         text("P3 3 2 9 1 2 3 4 5 6 1 2 3 4 5 6 1 2 3 4 5 6")};
        for (const Bytes& bytes : gray) CHECK(read(bytes, 6) == Extents{2, 3, 1});
        for (const Bytes& bytes : colours) CHECK(read(bytes, 6) == Extents{2, 3, 3});
        for (const auto& all : {gray, colours})
            for (const Bytes& bytes : all)
                refused(bytes, {"\u00fcber.txt", "3 x 2", "the 5 that most_pixels allows"}, 5);
        refused({}, {"\u00fcber.txt", "the file is empty"});
        refused(text("GIF89a..."), {"\u00fcber.txt", "neither PNG, JPEG, BMP, PGM nor PPM", "71 73 70 56 57 97 46 46"});
        refused({7}, {"first bytes are 7"});
        refused(text("P4 1 1 0"), {"neither", "80 52"});
        refused(text("BM"), {"54 bytes"});
        refused({'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x80},
                {"2147483648 x 2147483648", "most_pixels"});
        refused({0x89, 'P', 'N', 'G', 10, 10}, {"137 80 78 71"});
        fs::remove(path);
        CHECK(throws_naming<FileError>([&] { readers::read_picture(path); }, {"\u00fcber.txt", "no such file"}));
        CHECK(throws_naming<FileError>([&] { readers::read_picture(folder.path); }, {"not a regular file"}));
    }

    TEST_CASE("find_pictures: all below a folder, in one order, whatever the names") {
        const TemporaryFolder folder;
        const auto& root = folder.path;
        CHECK(throws_naming<FileError>([&] { readers::find_pictures(root / "none"); }, {"none", "read as a folder"}));
        CHECK(throws_naming<FileError>([&] { readers::find_pictures(root); }, {"no .png, .jpg"}));
        fs::create_directories(root / "b" / "\u6df1\u3044");
        fs::create_directories(root / ".hidden");
        fs::create_directories(root / "folder.png");
        const std::vector<fs::path> there{"a.JPG", "a.PNG", "b/0.bmp", "b/z.Pgm", "b/\u6df1\u3044/\u00e9.jpeg",
                                          "b.ppm", "c.pnm"};
        for (const auto& path : there) write_file(root / path, {1});
        for (const char* path : {"a.txt", "png", ".png", ".x.png", ".hidden/a.png", "a.png.bak", "a.tiff"})
            write_file(root / path, {1});
        fs::create_directory_symlink(root, root / "b" / "loop");
        fs::create_symlink(root / "self.png", root / "self.png");
        fs::create_symlink(root / "nowhere", root / "dangling.png");
        std::vector<fs::path> expected;
        for (const auto& path : there) expected.push_back(root / path);
        CHECK(readers::find_pictures(root) == std::vector<fs::path>{expected});
        fs::create_symlink(root / "a.txt", root / "d.png");
        expected.push_back(root / "d.png");
        CHECK(readers::find_pictures(root) == expected);
        CHECK(readers::find_pictures(root / ".hidden") == std::vector<fs::path>{root / ".hidden" / "a.png"});
        CHECK(throws_naming<FileError>([&] { readers::find_pictures(root / "a.txt"); }, {"a.txt", "read as a folder"}));
    }
}
