#pragma once

#include "surface_pictures.hpp"

#include <gradcon/inspection.hpp>

#include <vector>

/// An inspector that has learned pictures of a surface.
namespace made_surfaces {

inline gradcon::ImageView<std::uint8_t> view(const Pixels& pixels) {
    return {.data = pixels.data(), .height = picture_height, .width = picture_width};
}

inline std::vector<gradcon::ImageView<std::uint8_t>> views(const std::vector<Pixels>& pictures) {
    std::vector<gradcon::ImageView<std::uint8_t>> all;
    for (const Pixels& pixels : pictures) all.push_back(view(pixels));
    return all;
}

using Inspector = gradcon::Inspector<gradcon::Patches>;

inline const gradcon::Patches patches({.size = 4, .scales = {2}, .stride = 4});

inline gradcon::LearnLocalOptions options() {
    gradcon::LearnLocalOptions o;
    o.widths = {16, 5};
    o.epochs = 6;
    o.locations = 3000;
    o.false_alarm_rate = 0.1;
    return o;
}

inline Inspector learned(gradcon::Executor* executor = nullptr) {
    const auto normal = surfaces(80, 1);
    auto o = options();
    o.executor = executor;
    return gradcon::learn_local(patches, views(normal), o);
}

} // namespace made_surfaces
