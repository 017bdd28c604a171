#include "random_tensors.hpp"
#include "write_file.hpp"

#include <gradcon/data/idx.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <zlib.h>

using namespace gradcon;

namespace {

Bytes idx(std::initializer_list<std::uint32_t> shape, std::size_t values, std::uint8_t type = 8) {
    Bytes bytes{0, 0, type, static_cast<std::uint8_t>(shape.size())};
    for (const std::uint32_t extent : shape)
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(extent >> shift));
    for (std::size_t i = 0; i < values; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 37));
    return bytes;
}

void write_gz(const std::filesystem::path& path, const Bytes& bytes) {
    gzFile file = gzopen(path.c_str(), "wb9");
    REQUIRE(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
    gzclose(file);
}
Bytes read_bytes(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_SUITE("data") {
    TEST_CASE("IDX, plain and gzip") {
        const TemporaryFolder folder;
        const Bytes images = idx({3, 2, 4}, 24), labels = idx({3}, 3);
        write_file(folder.path / "images", images);
        write_gz(folder.path / "images.gz", images);
        write_gz(folder.path / "labels.gz", labels);
        const auto plain = data::read_idx(folder.path / "images"), packed = data::read_idx(folder.path / "images.gz");
        CHECK(plain.shape == std::vector<std::size_t>{3, 2, 4});
        CHECK(plain.values == packed.values);
        CHECK(plain.values[5] == 5 * 37);
        const auto set = data::read_idx_pair(folder.path / "images.gz", folder.path / "labels.gz");
        CHECK(set.images.shape() == std::array<std::size_t, 4>{3, 2, 4, 1});
        CHECK(set.labels == Bytes{0, 37, 74});
        const std::vector<std::size_t> indices{2, 0};
        const auto chosen = data::select<double>(set, indices);
        CHECK(chosen.shape()[0] == 2);
        CHECK(chosen(1, 0, 1, 0) == 37 / 255.0);
        CHECK(chosen(0, 0, 0, 0) == (16 * 37 % 256) / 255.0);
        const std::vector<std::size_t> wrong{3};
        CHECK(throws_naming<ValueError>([&] { data::select<float>(set, wrong); }, {"image 3 of 3"}));
        write_file(folder.path / "none", idx({0, 28, 28}, 0));
        CHECK(data::read_idx(folder.path / "none").values.empty());
    }

    TEST_CASE("a folder of four files, any of them compressed") {
        const TemporaryFolder folder;
        write_file(folder.path / "train-images-idx3-ubyte", idx({3, 2, 2}, 12));
        write_gz(folder.path / "train-labels-idx1-ubyte.gz", idx({3}, 3));
        write_gz(folder.path / "t10k-images-idx3-ubyte.gz", idx({1, 2, 2}, 4));
        CHECK(throws_naming<FileError>([&] { data::read_idx_folder(folder.path); }, {"t10k-labels-idx1-ubyte", ".gz"}));
        write_file(folder.path / "t10k-labels-idx1-ubyte", idx({1}, 1));
        const auto set = data::read_idx_folder(folder.path);
        CHECK(set.labels == Bytes{0, 37, 74, 0});
        CHECK(set.images(3, 0, 1, 0) == 37);
        const auto parts = data::read_idx_split(folder.path);
        CHECK(parts.train.labels == Bytes{0, 37, 74});
        CHECK(parts.test.labels == Bytes{0});
        CHECK(parts.test.images.shape() == std::array<std::size_t, 4>{1, 2, 2, 1});
        write_gz(folder.path / "t10k-images-idx3-ubyte.gz", idx({1, 2, 3}, 6));
        CHECK(throws_naming<FileError>([&] { data::read_idx_folder(folder.path); }, {"2 x 2", "2 x 3"}));
    }

    TEST_CASE("broken IDX files are refused by rule") {
        const TemporaryFolder folder;
        const auto path = folder.path / "file";
        const auto refused = [&](const Bytes& bytes, std::initializer_list<std::string_view> parts) {
            write_file(path, bytes);
            CHECK(throws_naming<FileError>([&] { data::read_idx(path); }, parts));
        };
        CHECK(throws_naming<FileError>([&] { data::read_idx(folder.path / "missing"); }, {"missing", "no such file"}));
        CHECK_THROWS_AS(data::read_idx(folder.path), FileError);
        refused({}, {"file", "4 bytes"});
        refused({0, 0, 8}, {"4 bytes"});
        refused({1, 0, 8, 1, 0, 0, 0, 0}, {"two zero bytes", "1 and 0"});
        refused(idx({1}, 1, 13), {"type must be 8", "13"});
        refused({0, 0, 8, 0}, {"1 dimension"});
        refused({0, 0, 8, 3, 0, 0, 0, 1}, {"ends within"});
        refused(idx({2, 2}, 3), {"2 x 2"});
        refused(idx({2, 2}, 5), {"data after the 4"});
        refused(idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, 100), {"more than the file can hold"});
        refused(idx({1000, 1000}, 10), {"more than the file can hold"});
        write_file(folder.path / "labels", idx({2}, 2));
        write_file(path, idx({3, 1, 1}, 3));
        CHECK(throws_naming<FileError>([&] { data::read_idx_pair(path, folder.path / "labels"); },
                                       {"2 labels", "3 images"}));
        CHECK(throws_naming<FileError>([&] { data::read_idx_pair(folder.path / "labels", path); },
                                       {"3 dimensions", "1"}));
        CHECK(throws_naming<FileError>([&] { data::read_idx_pair(path, path); }, {"1 dimension", "3"}));
    }

    TEST_CASE("gzip files truncated at every byte, with every bit flipped, and bombs") {
        const TemporaryFolder folder;
        const auto path = folder.path / "file.gz";
        const Bytes content = idx({5, 4, 4}, 80);
        write_gz(path, content);
        const Bytes whole = read_bytes(path);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            write_file(path, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
            CHECK_THROWS_AS(data::read_idx(path), FileError);
        }
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            Bytes flipped = whole;
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
            write_file(path, flipped);
            try {
                const auto read = data::read_idx(path); // such as a flipped bit of the time stamp
                CHECK(std::equal(read.values.begin(), read.values.end(), content.begin() + 16));
            } catch (const FileError&) {}
        }
        // A header that asks for 4 GiB, with nothing behind it: refused before anything is allocated.
        write_gz(path, idx({4096, 1024, 1024}, 0));
        CHECK(throws_naming<FileError>([&] { data::read_idx(path); }, {"more than the file can hold"}));
        // Ten million zeros behind a small header are not unpacked to be counted.
        Bytes bomb = idx({2}, 2);
        bomb.resize(10'000'000);
        write_gz(path, bomb);
        CHECK(throws_naming<FileError>([&] { data::read_idx(path); }, {"data after the 2"}));
    }
}
