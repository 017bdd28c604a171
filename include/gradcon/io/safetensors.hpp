#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/io/file.hpp"
#include "gradcon/io/json.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <ios>
#include <limits>
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

static_assert(std::endian::native == std::endian::little, "tensor files are little endian, and so must the machine be");

/// The number types of safetensors files.
enum class DType { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

namespace detail {
struct DTypeInfo {
    std::string_view name;
    std::size_t size;
};
inline constexpr std::array<DTypeInfo, 15> dtypes{{{"BOOL", 1},
                                                   {"U8", 1},
                                                   {"I8", 1},
                                                   {"F8_E5M2", 1},
                                                   {"F8_E4M3", 1},
                                                   {"I16", 2},
                                                   {"U16", 2},
                                                   {"F16", 2},
                                                   {"BF16", 2},
                                                   {"I32", 4},
                                                   {"U32", 4},
                                                   {"F32", 4},
                                                   {"F64", 8},
                                                   {"I64", 8},
                                                   {"U64", 8}}};
} // namespace detail

inline std::string_view dtype_name(DType dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].name; }
/// Bytes of one element.
inline std::size_t dtype_size(DType dtype) { return detail::dtypes[static_cast<std::size_t>(dtype)].size; }
/// @return false when no type has this name
inline bool parse_dtype(std::string_view name, DType& dtype) {
    for (std::size_t i = 0; i < detail::dtypes.size(); ++i)
        if (detail::dtypes[i].name == name) return dtype = static_cast<DType>(i), true;
    return false;
}

struct SafetensorsEntry {
    std::string name;
    DType dtype{};
    std::vector<std::size_t> shape;
    std::size_t begin = 0, end = 0; // bytes in the data section
};

namespace detail {
/// Accepts a header's JSON event by event, and only what the format allows.
class HeaderParser {
  public:
    std::vector<SafetensorsEntry> entries;
    std::map<std::string, std::string> metadata;

    void operator()(int depth, JsonEvent event, const Json& value) {
        if (event == JsonEvent::key) key(depth, value.get_ref<const std::string&>());
        else if (event == JsonEvent::object_start) object(depth);
        else if (event == JsonEvent::array_start) list(depth);
        else if (value.is_string()) text(depth, value.get_ref<const std::string&>());
        else if (value.is_number_unsigned()) number(depth, value.get<std::uint64_t>());
        else if (value.is_number_float())
            throw ValueError(message("not a whole number in range: ", std::showpoint, value.get<double>()));
        else if (value.is_number()) throw ValueError(message("a negative number: ", value.get<std::int64_t>()));
        else throw ValueError(value.type_name());
    }
    /// After the last tensor.
    void end_entry() const {
        if (entries.empty()) return;
        const std::string& name = entries.back().name;
        if (fields_.size() != 3) throw ValueError("tensor " + name + " needs dtype, shape and data_offsets");
        if (offsets_ != 2) throw ValueError("tensor " + name + ": data_offsets must be two numbers");
    }

  private:
    // Depth 1 is in the header, 2 in a tensor or the metadata, 3 in a list of a tensor.
    void key(int depth, const std::string& key) {
        if (depth == 1) {
            if (!names_.insert(key).second) throw ValueError("duplicate name " + key);
            in_metadata_ = key == "__metadata__";
        } else if (in_metadata_) {
            if (metadata.contains(key)) throw ValueError("duplicate metadata key " + key);
        } else {
            if (key != "dtype" && key != "shape" && key != "data_offsets") throw ValueError("unknown key " + key);
            if (!fields_.insert(key).second) throw ValueError("duplicate key " + key);
        }
        key_ = key;
    }
    void object(int depth) {
        if (depth > 1) throw ValueError("an object where none may stand");
        if (depth == 0 || in_metadata_) return;
        end_entry();
        entries.push_back({key_, {}, {}, 0, 0});
        fields_.clear();
        offsets_ = 0;
    }
    void list(int depth) const {
        if (depth != 2 || in_metadata_ || key_ == "dtype") throw ValueError("an array where none may stand");
    }
    void text(int depth, const std::string& value) {
        if (depth == 2 && in_metadata_) metadata[key_] = value;
        else if (depth != 2 || key_ != "dtype") throw ValueError("a string where none may stand: " + value);
        else if (!parse_dtype(value, entries.back().dtype)) throw ValueError("unknown dtype " + value);
    }
    void number(int depth, std::uint64_t value) {
        if (depth != 3) throw ValueError("a number where none may stand");
        SafetensorsEntry& entry = entries.back();
        if (key_ == "shape") entry.shape.push_back(value);
        else if (offsets_++ == 0) entry.begin = value;
        else entry.end = value;
    }

    std::string key_;
    std::set<std::string> names_, fields_;
    bool in_metadata_ = false;
    std::size_t offsets_ = 0; // numbers in data_offsets
};

/// Bytes that a tensor of this shape takes. @return false when that exceeds what can be addressed
inline bool byte_count(const std::vector<std::size_t>& shape, DType dtype, std::size_t& bytes) {
    bytes = dtype_size(dtype);
    const bool empty = std::ranges::find(shape, std::size_t{0}) != shape.end();
    for (const std::size_t extent : shape) {
        if (empty) return bytes = 0, true;
        if (bytes > std::numeric_limits<std::size_t>::max() / extent) return false;
        bytes *= extent;
    }
    return true;
}
} // namespace detail

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
    detail::HeaderParser parsed;
    try {
        detail::parse_json(header, parsed);
        parsed.end_entry();
    } catch (const ValueError& error) { throw FileError(path + ": safetensors header: " + error.what()); }

    const auto data = file.subspan(8 + length);
    std::vector<const SafetensorsEntry*> order;
    for (const auto& entry : parsed.entries) {
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
    return {path, std::move(parsed.entries), std::move(parsed.metadata), {data.begin(), data.end()}};
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
    std::string text = "{", separator;
    if (!metadata.empty()) {
        text += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata)
            text += std::exchange(separator, ",") + detail::json_text(key) + ":" + detail::json_text(value);
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
        text += message(text.size() > 1 ? "," : "", detail::json_text(tensor.name), ":{\"dtype\":\"",
                        dtype_name(tensor.dtype), "\",\"shape\":[");
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
