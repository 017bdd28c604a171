// The reader against broken files: wrong sizes, overlaps, holes, nesting, truncation, flipped bits, random edits.
#include "random_tensors.hpp"

#include <gradcon/core/random.hpp>
#include <gradcon/io/checksum.hpp>
#include <gradcon/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>

using namespace gradcon;

namespace {

using FileBytes = std::vector<std::byte>;

/// A file with this header and `data` bytes of 1.
FileBytes file_with(const std::string& header, std::size_t data, std::uint64_t length) {
    FileBytes bytes(8 + header.size() + data, std::byte{1});
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(length >> (8 * i) & 0xFF);
    std::memcpy(bytes.data() + 8, header.data(), header.size());
    return bytes;
}
FileBytes file_with(const std::string& header, std::size_t data = 0) { return file_with(header, data, header.size()); }

io::Safetensors parse(const FileBytes& bytes) { return io::parse_safetensors(bytes, "some/file"); }

void refused(const FileBytes& bytes, std::initializer_list<std::string_view> parts) {
    CHECK(throws_naming<FileError>([&] { parse(bytes); }, {"some/file: "}));
    CHECK(throws_naming<FileError>([&] { parse(bytes); }, parts));
}
void refused(const std::string& header, std::size_t data, std::initializer_list<std::string_view> parts) {
    INFO(header);
    refused(file_with(header, data), parts);
}

io::TensorToWrite tensor(const std::string& name, const std::vector<std::size_t>& shape,
                         const std::vector<float>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {name, io::DType::f32, shape, {bytes.begin(), bytes.end()}};
}

} // namespace

TEST_SUITE("safetensors") {
    TEST_CASE("what is written is read again") {
        const std::vector<io::TensorToWrite> tensors{tensor("b.weight", {2, 3}, {1, 2, 3, 4, 5, 6}),
                                                     tensor("scalar", {}, {7}), tensor("empty", {0, 5}, {}),
                                                     tensor("a\"\\\n\u00e9", {1}, {-1})};
        const FileBytes bytes = io::serialize_safetensors(tensors, {{"key", "value"}});
        const auto file = parse(bytes);
        CHECK(file.entries().size() == 4);
        CHECK(file.metadata().at("key") == "value");
        CHECK(file.at("b.weight").shape == std::vector<std::size_t>{2, 3});
        CHECK(file.values<double>("b.weight") == std::vector<double>{1, 2, 3, 4, 5, 6});
        CHECK(file.values<float>("scalar") == std::vector<float>{7});
        CHECK(file.values<float>("empty").empty());
        CHECK(file.values<float>("a\"\\\n\u00e9")[0] == -1);
        CHECK(throws_naming<FileError>([&] { file.at("c"); }, {"tensor c is missing"}));
        CHECK(throws_naming<ValueError>(
            [&] {
                io::serialize_safetensors(std::vector{tensors[0], tensors[0]}, {});
            },
            {"two tensors", "b.weight"}));
        CHECK_THROWS_AS(io::serialize_safetensors(std::vector{tensor("x", {3}, {1})}, {}), ValueError);
        std::uint64_t header_length = 0;
        std::memcpy(&header_length, bytes.data(), 8);
        CHECK(header_length % 8 == 0);
    }

    TEST_CASE("the header's length") {
        refused(FileBytes{}, {"8 bytes", "has 0"});
        refused(FileBytes(7, std::byte{0}), {"has 7"});
        refused(file_with("", 0, 0), {"must begin with {"});
        refused(file_with("{}", 0, ~std::uint64_t{0}), {"18446744073709551615"});
        refused(file_with("{}", 0, 3), {"3 bytes", "at most 2"});
        refused(file_with("{}", 0, 100'000'001), {"100000001"});
        refused(file_with(" {}", 0), {"must begin with {"});
        CHECK(parse(file_with("{}")).entries().empty());
    }

    TEST_CASE("the header's JSON") {
        refused("{", 0, {"not valid JSON"});
        refused("{}x", 0, {"not valid JSON"});
        refused("{\"a\xff\":1}", 0, {"not valid JSON"});
        refused(R"({"a":1})", 0, {"a number where none may stand"});
        refused(R"({"a":null})", 0, {"null"});
        refused(R"({"a":[]})", 0, {"an array"});
        refused(R"({"a":"x"})", 0, {"a string"});
        refused(R"({"a":{}})", 0, {"needs dtype, shape and data_offsets"});
        refused(R"({"a":{"dtype":"F32","shape":[1]}})", 4, {"needs dtype, shape and data_offsets"});
        refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4, {"unknown key more"});
        refused(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, {"duplicate key dtype"});
        refused(R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", 4, {"unknown dtype F33"});
        refused(R"({"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}})", 4, {"a number"});
        refused(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, {"negative", "-1"});
        refused(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, {"not a whole number", "1.0"});
        refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4.5]}})", 4, {"4.5"});
        refused(R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}})", 4,
                {"not a whole number in range"});
        refused(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, {"an array"});
        refused(R"({"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}})", 4, {"an object"});
        refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, {"two numbers"});
        refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, {"two numbers"});
        refused(
            R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
            0, {"duplicate name a"});
        refused(R"({"__metadata__":{"a":1}})", 0, {"a number"});
        refused(R"({"__metadata__":{"a":{}}})", 0, {"an object"});
        refused(R"({"__metadata__":{"a":"1","a":"2"}})", 0, {"duplicate metadata key a"});
        refused(R"({"__metadata__":[]})", 0, {"an array"});
        std::string deep = R"({"a":)";
        for (int i = 0; i < 1'000'000; ++i) deep += '[';
        refused(deep, 0, {"an array where none may stand"});
    }

    TEST_CASE("sizes and offsets") {
        refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, {"tensor a", "do not fit"});
        refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, {"tensor a", "do not fit"});
        refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
                {"tensor a"}); // 2^64 elements
        refused(R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0,
                {"tensor a"}); // 2^64 bytes
        refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3, {"take 4 bytes", "there are 3"});
        refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5, {"take 4 bytes", "there are 5"});
        refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}})", 5, {"must begin at byte 0", "begins at 1"});
        refused(
            R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
            7, {"tensor b", "must begin at byte 4"});
        refused(
            R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}})",
            9, {"tensor b", "must begin at byte 4"});
        refused(
            R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
            4, {"must begin at byte 4"});
        // Legal: in any order, of rank 0, of no elements (even beside an extent that alone would overflow).
        CHECK(
            parse(
                file_with(
                    R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                    6))
                .entries()
                .size() == 2);
        CHECK(parse(file_with(R"({"a":{"dtype":"F64","shape":[18446744073709551615,0],"data_offsets":[0,0]}})", 0))
                  .entries()
                  .size() == 1);
        CHECK(throws_naming<FileError>(
            [] { parse(file_with(R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8)).values<float>("a"); },
            {"F32 or F64", "I64"}));
    }

    TEST_CASE("a hundred thousand entries") {
        std::string header = "{";
        for (int i = 0; i < 100'000; ++i)
            header += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
        CHECK(parse(file_with(header + "}")).entries().size() == 100'000);
    }

    TEST_CASE("truncation at every byte is an error; a flipped bit is an error or a valid file") {
        const FileBytes whole = io::serialize_safetensors(
            std::vector{tensor("weight", {2, 2}, {1, 2, 3, 4}), tensor("bias", {2}, {5, 6})}, {{"a", "b"}});
        for (std::size_t size = 0; size < whole.size(); ++size)
            CHECK_THROWS_AS(parse(FileBytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))),
                            FileError);
        std::size_t loads = 0;
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            FileBytes flipped = whole;
            flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            try {
                parse(flipped);
                ++loads;
            } catch (const FileError&) {}
        }
        CHECK(loads >= 24 * 8); // the values: what only a checksum can tell
        CHECK(loads < whole.size() * 8);
    }

    TEST_CASE("random bytes and random edits never do worse than an error") {
        const FileBytes whole =
            io::serialize_safetensors(std::vector{tensor("weight", {2, 2}, {1, 2, 3, 4})}, {{"a", "b"}});
        Rng rng(1);
        for (int round = 0; round < 20'000; ++round) {
            FileBytes bytes = whole;
            for (std::size_t edits = 1 + random_index(rng, 4); edits > 0; --edits) {
                const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(random_index(rng, bytes.size()));
                const std::size_t kind = random_index(rng, 3);
                if (kind == 0) *at = static_cast<std::byte>(random_index(rng, 256));
                else if (kind == 1 && bytes.size() > 1) bytes.erase(at);
                else bytes.insert(at, static_cast<std::byte>("{}[]\",:019-."[random_index(rng, 12)]));
            }
            try {
                parse(bytes);
            } catch (const FileError&) {}
        }
        CHECK(true);
    }

    TEST_CASE("read_file: missing, a folder, unreadable") {
        const TemporaryFolder folder;
        CHECK(throws_naming<FileError>([&] { io::read_file(folder.path / "none"); }, {"none", "no such file"}));
        CHECK(throws_naming<FileError>([&] { io::read_file(folder.path); }, {"not a regular file"}));
        std::ofstream(folder.path / "empty");
        CHECK(io::read_file(folder.path / "empty").empty());
    }

    TEST_CASE("the checksum is CRC-64/XZ, in whatever pieces the bytes come") {
        const auto of = [](std::span<const std::byte> bytes, std::size_t cut) {
            io::Crc64 crc;
            crc.add(bytes.first(cut));
            crc.add(bytes.subspan(cut));
            return crc.hexadecimal();
        };
        const std::string digits = "123456789"; // the check value of the published definition
        CHECK(of(std::as_bytes(std::span(digits)), 4) == "995dc9bbdf1939fa");

        Rng rng(5);
        std::vector<std::byte> bytes(67);
        for (auto& byte : bytes) byte = static_cast<std::byte>(rng() & 0xFF);
        for (std::size_t size = 0; size <= bytes.size(); ++size) {
            std::uint64_t state = ~std::uint64_t{0}; // bit by bit
            for (std::size_t bit = 0; bit < 8 * size; ++bit) {
                const bool one = (state ^ std::to_integer<std::uint64_t>(bytes[bit / 8]) >> bit % 8) & 1;
                state = state >> 1 ^ (one ? 0xC96C5795D7870F42U : 0);
            }
            std::string expected;
            for (int shift = 60; shift >= 0; shift -= 4) expected += "0123456789abcdef"[~state >> shift & 0xF];
            CHECK(of(std::span(bytes).first(size), size / 3) == expected);
        }
    }
}
