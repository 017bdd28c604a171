#pragma once

#include "gradcon/io/dtype.hpp"
#include "gradcon/io/file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// The safetensors format: 8 bytes with the header's length (little endian), the header (JSON: for each tensor its dtype,
// shape and place; under "__metadata__" strings), then the tensors' bytes. Reading trusts nothing: each size is checked
// against the bytes that are there before anything of that size is allocated.
namespace gradcon::inline GRADCON_INSTRUCTION_SET::io {

struct SafetensorsEntry {
    std::string name;
    DType dtype{};
    std::vector<std::size_t> shape;
    std::size_t begin = 0, end = 0; // bytes in the data section
};

/// A file's tensors and metadata, checked.
class Safetensors {
  public:
    Safetensors(std::string path, std::vector<SafetensorsEntry> entries, std::map<std::string, std::string> metadata,
                std::vector<std::byte> data)
        : path_(std::move(path)), entries_(std::move(entries)), metadata_(std::move(metadata)), data_(std::move(data)) {}

    const std::string& path() const { return path_; }
    const std::vector<SafetensorsEntry>& entries() const { return entries_; } // in the file's order
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    /// nullptr when there is no such tensor
    const SafetensorsEntry* find(std::string_view name) const {
        const auto found = std::ranges::find(entries_, name, &SafetensorsEntry::name);
        return found == entries_.end() ? nullptr : &*found;
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
    std::map<std::string, std::string> metadata_;
    std::vector<std::byte> data_;
};

namespace detail {
/// Receives the header's JSON token by token and accepts only what the format allows, so that no nested value is ever built.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
  public:
    explicit HeaderHandler(const std::string& path) : path_(path) {}

    std::vector<SafetensorsEntry> entries;
    std::map<std::string, std::string> metadata;

    bool start_object(std::size_t) override {
        if (state_ == State::start) return go(State::names);
        if (state_ == State::name) {
            if (key_ == "__metadata__") return go(State::metadata);
            entries.push_back({key_, {}, {}, 0, 0});
            seen_.clear();
            return go(State::fields);
        }
        return refuse("an object where none may stand");
    }
    bool end_object() override {
        if (state_ == State::fields && seen_.size() != 3)
            return refuse("tensor " + entries.back().name + " needs dtype, shape and data_offsets");
        return go(state_ == State::names ? State::end : State::names);
    }
    bool key(std::string& key) override {
        key_ = key;
        if (state_ == State::names) return names_.insert(key).second ? go(State::name) : refuse("duplicate name " + key);
        if (state_ == State::metadata) return !metadata.contains(key) || refuse("duplicate metadata key " + key);
        if (key != "dtype" && key != "shape" && key != "data_offsets") return refuse("unknown key " + key);
        return seen_.insert(key).second || refuse("duplicate key " + key);
    }
    bool string(std::string& value) override {
        if (state_ == State::metadata) return metadata[key_] = value, true;
        if (state_ != State::fields || key_ != "dtype") return refuse("a string where none may stand: " + value);
        if (!parse_dtype(value, entries.back().dtype)) return refuse("unknown dtype " + value);
        return true;
    }
    bool start_array(std::size_t) override {
        if (state_ != State::fields || key_ == "dtype") return refuse("an array where none may stand");
        numbers_.clear();
        return go(State::numbers);
    }
    bool number_unsigned(std::uint64_t value) override {
        if (state_ != State::numbers) return refuse("a number where none may stand");
        numbers_.push_back(value);
        return true;
    }
    bool end_array() override {
        if (key_ == "shape") entries.back().shape = numbers_;
        else if (numbers_.size() != 2) return refuse("data_offsets must be two numbers");
        else entries.back().begin = numbers_[0], entries.back().end = numbers_[1];
        return go(State::fields);
    }
    bool null() override { return refuse("null"); }
    bool boolean(bool) override { return refuse("a boolean"); }
    bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }
    bool number_integer(std::int64_t value) override { return refuse("a negative number: " + std::to_string(value)); }
    bool number_float(double, const std::string& text) override { return refuse("not a whole number in range: " + text); }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        return refuse("not valid JSON at byte " + std::to_string(position));
    }

  private:
    enum class State { start, names, name, metadata, fields, numbers, end };

    bool go(State state) { return state_ = state, true; }
    bool refuse(const std::string& what) { throw FileError(path_ + ": safetensors header: " + what); }

    const std::string& path_;
    State state_ = State::start;
    std::string key_;
    std::set<std::string> names_, seen_;
    std::vector<std::size_t> numbers_;
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

/// Reads a file's bytes. @param path for messages only  @throws FileError that names the rule that the bytes break
inline Safetensors parse_safetensors(std::span<const std::byte> file, const std::string& path) {
    constexpr std::uint64_t longest_header = 100'000'000;
    if (file.size() < 8) throw FileError(message(path, ": safetensors needs 8 bytes for the header's length; the file has ", file.size()));
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(file[i]);
    if (length > longest_header || length > file.size() - 8)
        throw FileError(message(path, ": safetensors header of ", length, " bytes; at most ",
                                std::min<std::uint64_t>(longest_header, file.size() - 8), " are possible in this file"));
    const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8, length);
    if (header.empty() || header[0] != '{') throw FileError(path + ": safetensors header must begin with {");
    detail::HeaderHandler handler(path);
    nlohmann::json::sax_parse(header, &handler);

    const auto data = file.subspan(8 + length);
    std::vector<const SafetensorsEntry*> order;
    for (const auto& entry : handler.entries) {
        std::size_t bytes = 0;
        if (!detail::byte_count(entry.shape, entry.dtype, bytes) || entry.begin > entry.end || entry.end - entry.begin != bytes)
            throw FileError(message(path, ": tensor ", entry.name, ": shape and dtype do not fit data_offsets ", entry.begin, " to ", entry.end));
        order.push_back(&entry);
    }
    std::ranges::sort(order, [](auto* a, auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
    std::size_t end = 0;
    for (const auto* entry : order) {
        if (entry->begin != end)
            throw FileError(message(path, ": tensor ", entry->name, " must begin at byte ", end, " of the data, where the one before ends; it begins at ", entry->begin));
        end = entry->end;
    }
    if (end != data.size()) throw FileError(message(path, ": the tensors take ", end, " bytes; there are ", data.size()));
    return {path, std::move(handler.entries), std::move(handler.metadata), {data.begin(), data.end()}};
}

inline Safetensors read_safetensors(const std::filesystem::path& path) { return parse_safetensors(read_file(path), path.string()); }

/// A tensor on its way to a file.
struct TensorToWrite {
    std::string name;
    DType dtype{};
    std::vector<std::size_t> shape;
    std::vector<std::byte> bytes;
};

/// The bytes of a file with these tensors, in this order; the data section begins at a multiple of 8.
/// @throws ValueError for two tensors of one name, or bytes that do not fit a shape
inline std::vector<std::byte> serialize_safetensors(std::span<const TensorToWrite> tensors, const std::map<std::string, std::string>& metadata) {
    const auto quote = [](const std::string& text) { return nlohmann::json(text).dump(); };
    std::string text = "{", separator;
    if (!metadata.empty()) {
        text += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata) text += std::exchange(separator, ",") + quote(key) + ":" + quote(value);
        text += "}";
    }
    std::set<std::string> names;
    std::size_t end = 0;
    for (const auto& tensor : tensors) {
        std::size_t bytes = 0;
        if (!names.insert(tensor.name).second) throw ValueError("safetensors: two tensors are named " + tensor.name);
        if (!detail::byte_count(tensor.shape, tensor.dtype, bytes) || bytes != tensor.bytes.size())
            throw ValueError(message("safetensors: tensor ", tensor.name, " has ", tensor.bytes.size(), " bytes; its shape needs ", bytes));
        text += message(text.size() > 1 ? "," : "", quote(tensor.name), ":{\"dtype\":\"", dtype_name(tensor.dtype), "\",\"shape\":[");
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

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::io
