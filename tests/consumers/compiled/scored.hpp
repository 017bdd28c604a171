#pragma once

#include <gradcon/gradcon.hpp>

#include <array>
#include <cstddef>

namespace {
/// The score of one gray image after an epoch of training.
double scored() {
    gradcon::Rng rng(0);
    const auto model = gradcon::models::cae({.height = 8, .width = 8, .widths = {4}});
    auto params = model.init<float>(rng);
    gradcon::GradCon policy{params.decoder, {}};
    gradcon::Adam adam{params, {}};
    const gradcon::Tensor<float, 4> images(std::array<std::size_t, 4>{2, 8, 8, 1}, 0.5F);
    gradcon::fit(model, params, policy, adam, images, rng, {.epochs = 1});
    gradcon::SerialExecutor serial;
    const auto profile = gradcon::fit_profile(model, params, policy, images, serial);
    return gradcon::score_each(gradcon::Scorer{model, params, policy, profile}, images,
                               serial)[gradcon::Statistic::score][0];
}
} // namespace
