#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/io/description.hpp"
#include "gradcon/io/safetensors.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// The texts of a file's metadata, as descriptions and what they hold.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io::detail {

/// @throws FileError when there is no such text, or it is no list of flat JSON objects
inline std::vector<Description> read_descriptions(const Safetensors& file, const std::string& key) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) throw FileError(file.path() + ": metadata lacks " + key);
    try {
        return parse_descriptions(found->second);
    } catch (const ValueError& error) { throw FileError(message(file.path(), ": metadata ", key, ": ", error.what())); }
}

/// A text of the metadata; empty if there is none.
inline std::string metadata(const Safetensors& file, const std::string& key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
}

/// One of `names` as its place. @throws ValueError for another word
template <class Names>
std::size_t parse_name(const Description& description, const char* key, const Names& names) {
    const std::string& name = description.at<std::string>(key);
    for (std::size_t i = 0; i < names.size(); ++i)
        if (name == names[i]) return i;
    throw ValueError(message(key, " cannot be ", name));
}

/// A size that was described. @throws ValueError beyond 2^20: far beyond every network, and so small that no product of
/// three overflows
inline std::size_t size_of(const Description& description, const char* key) {
    constexpr std::uint64_t largest = std::uint64_t{1} << 20;
    const std::uint64_t value = description.at<std::uint64_t>(key);
    if (value > largest) throw ValueError(message(key, " is at most ", largest, "; it is ", value));
    return value;
}

} // namespace io::detail
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
