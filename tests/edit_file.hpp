#pragma once

#include <gradcon/io/checksum.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

/// What is in one of our files, to be changed at will.
using FileEdit = std::function<void(std::map<std::string, std::string>&, std::vector<gradcon::io::TensorToWrite>&)>;

/// The file with metadata or tensors changed, and a checksum that fits.
inline void edit_file(const std::filesystem::path& path, const FileEdit& edit) {
    const auto file = gradcon::io::read_safetensors(path);
    auto metadata = file.metadata();
    std::vector<gradcon::io::TensorToWrite> tensors;
    for (const auto& entry : file.entries()) {
        const auto bytes = file.bytes(entry);
        tensors.push_back({entry.name, entry.dtype, entry.shape, {bytes.begin(), bytes.end()}});
    }
    edit(metadata, tensors);
    gradcon::io::add_checksum(metadata, tensors);
    gradcon::io::replace_file(path, gradcon::io::serialize_safetensors(tensors, metadata));
}
