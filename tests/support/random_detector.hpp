#pragma once

#include "random_tensors.hpp"

/// A model with random parameters and a random reference, and images for it.
template <class T, class Model>
struct RandomDetector {
    Model model;
    gradcon::Rng rng{9};
    typename Model::template Params<T> params;
    gradcon::GradCon<decltype(params.decoder)> policy;
    gradcon::Tensor<T, 4> images;
    gradcon::SerialExecutor serial;

    RandomDetector(const Model& m, const gradcon::Shape& shape, const gradcon::GradConOptions& options)
        : model(m), params(model.template init<T>(rng)), policy(params.decoder, options),
          images(random_images<T>(shape, rng)) {
        auto reference = params.decoder;
        for (int update = 0; update < 3; ++update) {
            randomize(reference, rng);
            policy.update(reference);
        }
    }
    std::vector<double> scores() {
        return gradcon::score_each(gradcon::Scorer{model, params, policy}, images, serial).score();
    }
};

template <class T = float, class Model>
RandomDetector<T, Model> random_detector(const Model& model, const gradcon::Shape& shape,
                                         const gradcon::GradConOptions& options = {}) {
    return {model, shape, options};
}

/// A small one for 21 images of 9 x 12 x 2, made of chains.
template <class T = float>
auto small_detector(const gradcon::GradConOptions& options = {}) {
    return random_detector<T>(gradcon::models::cae({.height = 9, .width = 12, .channels = 2, .widths = {4, 5}}),
                              {21, 9, 12, 2}, options);
}
