#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/image/image_view.hpp"

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <system_error>
#include <vector>

// Maps of features: what a network, or a filter, says of each place of a picture.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A map in memory that someone else owns: height x width locations of `channels` numbers, channels last.
using FeatureMapView = TensorView<const float, 3>;

/// What the numbers of an extractor depend on, by name: {"patch size", "8"}, {"layer 1", "block2"}. Two extractors with
/// the same settings give the same features.
using FeatureSettings = std::map<std::string, std::string>;

/// What makes maps of a picture: a const callable that writes into a workspace of the caller's and returns one map or
/// more, all of the whole picture, in any order of sizes. Two calls with the same picture give the same numbers, from
/// any thread. A feature extractor is all that inspection needs to know of a network.
///
///     struct MyNetwork {
///         struct Workspace { ... };
///         std::span<const gradcon::FeatureMapView> operator()(const gradcon::ImageView<std::uint8_t>& picture,
///                                                             Workspace& workspace) const;
///     };
///
/// An extractor may say what its numbers depend on by `FeatureSettings settings() const`. An inspector's file keeps the
/// settings, and an extractor with other ones is refused.
template <class E>
concept FeatureExtractor = std::default_initializable<typename E::Workspace> &&
    requires(const E& extract, const ImageView<std::uint8_t>& picture, typename E::Workspace& workspace) {
    { extract(picture, workspace) } -> std::convertible_to<std::span<const FeatureMapView>>;
};

/// The settings of an extractor; none, if it does not say.
template <FeatureExtractor E>
FeatureSettings settings_of(const E& extractor) {
    if constexpr (requires { extractor.settings(); }) return extractor.settings();
    else return {};
}

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
