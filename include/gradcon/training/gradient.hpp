#pragma once

#include "gradcon/training/objective.hpp"

#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The gradient of the loss L of a batch in all parameters: dL/dtheta, a tree like params. L is the model's loss plus a
/// Gaussian latent's KL, without the alignment term. The gradient that GradCon compares with its reference is the
/// branch `decoder` of this one, for a batch of one image.
///
///     const auto g = gradcon::gradient(model, params, images);
///     const auto weight = gradcon::tensor(g, "decoder.0.weight"); // its name, shape and values
///
/// @param params of the model, whose number type is that of the images
/// @param images N x height x width x channels, N > 0
/// @throws ShapeError when there are no images, or the model cannot reconstruct images of this size
template <class Model, class Params>
Params gradient(const Model& model, const Params& params, Batch<scalar_t<Params>> images, Executor& executor) {
    using T = scalar_t<Params>;
    TrainingWorkspace<Model, T> workspace(params);
    detail::forward_and_decoder_backward<Model, T>(model, params, images, {}, workspace, executor);
    detail::for_each_block(workspace, images, Batch<T>{}, executor, [&](auto& b, Batch<T>, Batch<T>, auto&) {
        detail::encoder_backward(model, workspace, b.dz, images.size(), b);
    });
    detail::sum_gradient(workspace, images.samples(), 0, executor);
    return std::move(workspace.gradient);
}

/// The same on the calling thread.
template <class Model, class Params>
Params gradient(const Model& model, const Params& params, Batch<scalar_t<Params>> images) {
    SerialExecutor serial;
    return gradient(model, params, images, serial);
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
