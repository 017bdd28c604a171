#pragma once

#include "gradcon/core/tensor.hpp"
#include "gradcon/features/feature_settings.hpp"
#include "gradcon/image/image_view.hpp"

#include <concepts>
#include <cstdint>
#include <span>

// Maps of features: what a network, or a filter, says of each place of a picture.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A map in memory that someone else owns: height x width locations of `channels` numbers, channels last.
using FeatureMapView = TensorView<const float, 3>;

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

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
