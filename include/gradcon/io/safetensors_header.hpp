#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/io/dtype.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

// The JSON header of a safetensors file, read token by token.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

struct SafetensorsEntry {
    std::string name;
    DType dtype{};
    std::vector<std::size_t> shape;
    std::size_t begin = 0, end = 0; // bytes in the data section
};

namespace detail {
/// Receives the header's JSON token by token and accepts only what the format allows, so that no nested value is ever
/// built.
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
        if (state_ == State::names)
            return names_.insert(key).second ? go(State::name) : refuse("duplicate name " + key);
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
    bool number_float(double, const std::string& text) override {
        return refuse("not a whole number in range: " + text);
    }
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

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
