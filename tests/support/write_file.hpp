#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

using Bytes = std::vector<std::uint8_t>;

/// The file holds these bytes and no others.
inline void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    std::filesystem::remove(path); // some file systems wait for the disk when a file is cut to nothing and filled again
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}
inline void write_file(const std::filesystem::path& path, const Bytes& bytes) {
    write_file(path, std::as_bytes(std::span(bytes)));
}
