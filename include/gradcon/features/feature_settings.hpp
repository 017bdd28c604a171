#pragma once

#include "gradcon/core/error.hpp"

#include <charconv>
#include <cstddef>
#include <map>
#include <string>
#include <system_error>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What the numbers of an extractor depend on, by name: {"size", "6"}, {"layer 1", "block2"}. Two extractors with
/// the same settings give the same features.
using FeatureSettings = std::map<std::string, std::string>;

/// @throws ValueError when there is none of that name
inline const std::string& text_setting(const FeatureSettings& settings, const std::string& name) {
    const auto found = settings.find(name);
    if (found == settings.end()) throw ValueError("the settings of the features lack " + name);
    return found->second;
}

/// The numbers of a setting, with spaces between them.
/// @param count how many there must be; 0: one or more  @throws ValueError when they are not there
template <class Number>
std::vector<Number> setting(const FeatureSettings& settings, const std::string& name, std::size_t count = 0) {
    const std::string& text = text_setting(settings, name);
    std::vector<Number> numbers;
    const char *at = text.data(), *const end = at + text.size();
    while (at != end) {
        const auto [after, error] = std::from_chars(at, end, numbers.emplace_back());
        if (error != std::errc{} || (after != end && *after != ' '))
            throw ValueError(message("the setting ", name, " of the features is not made of numbers: ", text));
        at = after == end ? end : after + 1;
    }
    if (numbers.empty() || (count != 0 && numbers.size() != count))
        throw ValueError(message("the setting ", name, " of the features has ", numbers.size(), " numbers, not ",
                                 count == 0 ? 1 : count));
    return numbers;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
