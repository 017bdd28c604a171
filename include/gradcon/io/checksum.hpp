#pragma once

#include "gradcon/io/safetensors.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

/// CRC-64/XZ of bytes that arrive piece by piece: every error of up to 64 consecutive bits is found.
class Crc64 {
  public:
    void add(std::span<const std::byte> bytes) {
        for (; bytes.size() >= 8; bytes = bytes.subspan(8)) { // eight at a time, which do not wait for one another
            std::uint64_t next = state_;
            for (std::size_t i = 0; i < 8; ++i) next ^= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
            state_ = 0;
            for (std::size_t i = 0; i < 8; ++i) state_ ^= tables[7 - i][next >> (8 * i) & 0xFF];
        }
        for (const std::byte byte : bytes)
            state_ = tables[0][(state_ ^ std::to_integer<std::uint64_t>(byte)) & 0xFF] ^ state_ >> 8;
    }
    /// With its length, so that "ab", "c" and "a", "bc" differ.
    void add(std::string_view text) {
        add(text.size());
        add(std::as_bytes(std::span(text)));
    }
    void add(std::uint64_t number) { add(std::as_bytes(std::span(&number, 1))); }

    std::string hexadecimal() const {
        std::string text;
        for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[~state_ >> shift & 0xF];
        return text;
    }

  private:
    /// tables[k][b]: what the byte b, and k bytes of 0 after it, do to a state of 0.
    static constexpr std::array<std::array<std::uint64_t, 256>, 8> tables = [] {
        std::array<std::array<std::uint64_t, 256>, 8> t{};
        for (std::uint64_t i = 0; i < 256; ++i) {
            t[0][i] = i;
            for (int bit = 0; bit < 8; ++bit) t[0][i] = t[0][i] >> 1 ^ (t[0][i] & 1 ? 0xC96C5795D7870F42U : 0);
        }
        for (std::size_t k = 1; k < 8; ++k)
            for (std::size_t i = 0; i < 256; ++i) t[k][i] = t[0][t[k - 1][i] & 0xFF] ^ t[k - 1][i] >> 8;
        return t;
    }();
    std::uint64_t state_ = ~std::uint64_t{0};
};

namespace detail {
template <class Entries, class Bytes>
std::string checksum(const Entries& entries, Bytes&& bytes, const std::map<std::string, std::string>& metadata) {
    Crc64 crc;
    for (const auto& [key, value] : metadata)
        if (key != "checksum") crc.add(key), crc.add(value);
    for (const auto& entry : entries) {
        crc.add(entry.name);
        crc.add(dtype_name(entry.dtype));
        crc.add(entry.shape.size());
        for (const std::size_t extent : entry.shape) crc.add(extent);
        crc.add(bytes(entry));
    }
    return crc.hexadecimal();
}
} // namespace detail

/// metadata["checksum"] = 16 hexadecimal digits over all tensors and all other metadata.
inline void add_checksum(std::map<std::string, std::string>& metadata, std::span<const TensorToWrite> tensors) {
    metadata["checksum"] = detail::checksum(
        tensors, [](const auto& t) { return std::span<const std::byte>(t.bytes); }, metadata);
}

/// @throws FileError when the file has a checksum, and another one than its content (files of other writers have none)
inline void verify_checksum(const Safetensors& file) {
    const auto stated = file.metadata().find("checksum");
    if (stated == file.metadata().end()) return;
    const std::string found = detail::checksum(
        file.entries(), [&](const auto& e) { return file.bytes(e); }, file.metadata());
    if (found != stated->second)
        throw FileError(
            message(file.path(), ": damaged: the content's checksum is ", found, ", the file states ", stated->second));
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
