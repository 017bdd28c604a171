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

/// metadata[key] = value
inline FileEdit set_metadata(const char* key, const std::string& value) {
    return [=](auto& metadata, auto&) { metadata[key] = value; };
}

/// The first `from` in metadata[key] becomes `to`; std::out_of_range when there is none.
inline FileEdit replace_in_metadata(const char* key, const std::string& from, const std::string& to) {
    return [=](auto& metadata, auto&) { metadata[key].replace(metadata[key].find(from), from.size(), to); };
}
