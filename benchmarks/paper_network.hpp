#pragma once

#include <gradcon/gradcon.hpp>

/// The paper's network on random 28 x 28 images, with a reference of one update.
struct PaperNetwork {
    using Model = decltype(gradcon::models::paper_cae(1));

    Model model = gradcon::models::paper_cae(1);
    gradcon::Rng rng{1};
    Model::Params<float> params = model.init<float>(rng);
    gradcon::GradCon<decltype(params.decoder)> policy{params.decoder, {}};
    gradcon::Tensor<float, 4> images;

    explicit PaperNetwork(std::size_t count) : images(std::array<std::size_t, 4>{count, 28, 28, 1}) {
        for (float& pixel : images) pixel = static_cast<float>(gradcon::uniform(rng, 0, 1));
        policy.update(params.decoder);
    }
};
