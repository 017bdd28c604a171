#pragma once

#include "gradcon/io/file.hpp"
#include "gradcon/io/safetensors_header.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The safetensors format: 8 bytes with the header's length (little endian), the header (JSON: for each tensor its
// dtype, shape and place; under "__metadata__" strings), then the tensors' bytes. Reading trusts nothing: each size is
// checked against the bytes that are there before anything of that size is allocated.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

/// A file's tensors and metadata, checked.
class Safetensors {
  public:
    Safetensors(std::string path, std::vector<SafetensorsEntry> entries, std::map<std::string, std::string> metadata,
                std::vector<std::byte> data)
        : path_(std::move(path)), entries_(std::move(entries)), metadata_(std::move(metadata)), data_(std::move(data)) {
        for (std::size_t i = 0; i < entries_.size(); ++i) places_.emplace(entries_[i].name, i);
    }

    const std::string& path() const { return path_; }
    const std::vector<SafetensorsEntry>& entries() const { return entries_; } // in the file's order
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    /// nullptr when there is no such tensor
    const SafetensorsEntry* find(std::string_view name) const {
        const auto found = places_.find(name);
        return found == places_.end() ? nullptr : &entries_[found->second];
    }
    /// @throws FileError when there is no such tensor
    const SafetensorsEntry& at(std::string_view name) const {
        if (const auto* entry = find(name)) return *entry;
        throw FileError(message(path_, ": tensor ", name, " is missing"));
    }
    std::span<const std::byte> bytes(const SafetensorsEntry& entry) const {
        return std::span(data_).subspan(entry.begin, entry.end - entry.begin);
    }

    /// A tensor's elements as float or double. @throws FileError when it is missing or neither F32 nor F64
    template <class T>
    std::vector<T> values(std::string_view name) const {
        const SafetensorsEntry& entry = at(name);
        if (entry.dtype == DType::f32) return convert<float, T>(bytes(entry));
        if (entry.dtype == DType::f64) return convert<double, T>(bytes(entry));
        throw FileError(message(path_, ": tensor ", name, " must be F32 or F64; it is ", dtype_name(entry.dtype)));
    }

  private:
    template <class From, class To>
    static std::vector<To> convert(std::span<const std::byte> bytes) {
        std::vector<To> values(bytes.size() / sizeof(From));
        for (std::size_t i = 0; i < values.size(); ++i) {
            From value;
            std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
            values[i] = static_cast<To>(value);
        }
        return values;
    }

    std::string path_;
    std::vector<SafetensorsEntry> entries_;
    std::map<std::string, std::size_t, std::less<>> places_; // in entries_
    std::map<std::string, std::string> metadata_;
    std::vector<std::byte> data_;
};

/// Reads a file's bytes. @param path for messages only  @throws FileError that names the rule that the bytes break
inline Safetensors parse_safetensors(std::span<const std::byte> file, const std::string& path) {
    constexpr std::uint64_t longest_header = 100'000'000;
    if (file.size() < 8)
        throw FileError(
            message(path, ": safetensors needs 8 bytes for the header's length; the file has ", file.size()));
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(file[i]);
    if (length > longest_header || length > file.size() - 8)
        throw FileError(message(path, ": safetensors header of ", length, " bytes; at most ",
                                std::min<std::uint64_t>(longest_header, file.size() - 8),
                                " are possible in this file"));
    const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8, length);
    if (header.empty() || header[0] != '{') throw FileError(path + ": safetensors header must begin with {");
    detail::HeaderHandler handler(path);
    nlohmann::json::sax_parse(header, &handler);

    const auto data = file.subspan(8 + length);
    std::vector<const SafetensorsEntry*> order;
    for (const auto& entry : handler.entries) {
        std::size_t bytes = 0;
        if (!detail::byte_count(entry.shape, entry.dtype, bytes) || entry.begin > entry.end ||
            entry.end - entry.begin != bytes)
            throw FileError(message(path, ": tensor ", entry.name, ": shape and dtype do not fit data_offsets ",
                                    entry.begin, " to ", entry.end));
        order.push_back(&entry);
    }
    std::ranges::sort(order,
                      [](auto* a, auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
    std::size_t end = 0;
    for (const auto* entry : order) {
        if (entry->begin != end)
            throw FileError(message(path, ": tensor ", entry->name, " must begin at byte ", end,
                                    " of the data, where the one before ends; it begins at ", entry->begin));
        end = entry->end;
    }
    if (end != data.size())
        throw FileError(message(path, ": the tensors take ", end, " bytes; there are ", data.size()));
    return {path, std::move(handler.entries), std::move(handler.metadata), {data.begin(), data.end()}};
}

inline Safetensors read_safetensors(const std::filesystem::path& path) {
    return parse_safetensors(read_file(path), path.string());
}

/// A tensor on its way to a file.
struct TensorToWrite {
    std::string name;
    DType dtype{};
    std::vector<std::size_t> shape;
    std::vector<std::byte> bytes;
};

/// The bytes of a file with these tensors, in this order; the data section begins at a multiple of 8.
/// @throws ValueError for two tensors of one name, or bytes that do not fit a shape
inline std::vector<std::byte> serialize_safetensors(std::span<const TensorToWrite> tensors,
                                                    const std::map<std::string, std::string>& metadata) {
    const auto quote = [](const std::string& text) { return nlohmann::json(text).dump(); };
    std::string text = "{", separator;
    if (!metadata.empty()) {
        text += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata)
            text += std::exchange(separator, ",") + quote(key) + ":" + quote(value);
        text += "}";
    }
    std::set<std::string> names;
    std::size_t end = 0;
    for (const auto& tensor : tensors) {
        std::size_t bytes = 0;
        if (!names.insert(tensor.name).second) throw ValueError("safetensors: two tensors are named " + tensor.name);
        if (!detail::byte_count(tensor.shape, tensor.dtype, bytes) || bytes != tensor.bytes.size())
            throw ValueError(message("safetensors: tensor ", tensor.name, " has ", tensor.bytes.size(),
                                     " bytes; its shape needs ", bytes));
        text += message(text.size() > 1 ? "," : "", quote(tensor.name), ":{\"dtype\":\"", dtype_name(tensor.dtype),
                        "\",\"shape\":[");
        for (std::size_t i = 0; i < tensor.shape.size(); ++i) text += message(i ? "," : "", tensor.shape[i]);
        text += message("],\"data_offsets\":[", end, ",", end + bytes, "]}");
        end += bytes;
    }
    text += "}";
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::vector<std::byte> file;
    file.reserve(8 + text.size() + end);
    for (std::size_t i = 0; i < 8; ++i) file.push_back(static_cast<std::byte>(text.size() >> (8 * i) & 0xFF));
    const auto bytes = std::as_bytes(std::span(text));
    file.insert(file.end(), bytes.begin(), bytes.end());
    for (const auto& tensor : tensors) file.insert(file.end(), tensor.bytes.begin(), tensor.bytes.end());
    return file;
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
