#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/core/executor.hpp"
#include "gradcon/training/workspace.hpp"

#include <cstddef>
#include <type_traits>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The terms of the training loss on a batch: total = reconstruction + latent + alpha * alignment.
struct Losses {
    double reconstruction = 0; // the model's loss, by default the mean squared error
    double latent = 0;         // KL of a Gaussian latent, divided by the batch's pixel values; else 0
    double alignment = 0;      // L_grad, in [-1, 1]; 0 before the first update of the reference
    double total = 0;          // J
};

namespace detail {
/// Step 1. Forward through the autoencoder and back through the decoder.
///     x: n,H,W,C -> h -> z: n,h,w,c -> y: n,H,W,C        dy: n,H,W,C -> dz: n,h,w,c
/// Leaves g = dL/dphi of the decoder in workspace.reconstruction_gradient, and each block's dz in its block.
template <class Model, class T>
Losses forward_and_decoder_backward(const Model& model, const params_t<Model, T>& params, Batch<T> images,
                                    Batch<T> noise, TrainingWorkspace<Model, T>& workspace, Executor& executor) {
    if (images.samples() == 0) throw ShapeError("a batch of no images has no loss");
    model.check_shape(images.shape());
    if (noise.data() && noise.samples() != images.samples())
        throw ShapeError(message("noise for ", noise.samples(), " images was given with ", images.samples()));
    model.pack(params, workspace.packed);
    const auto& p = workspace.packed;
    const std::size_t pixels = images.size();
    for_each_block(workspace, images, noise, executor, [&](auto& b, Batch<T> x, Batch<T> eps, auto&) {
        const Batch<T> h = model.encoder.forward(p.encoder, x, b.encoder);
        const Batch<T> z = model.latent.forward(h, eps, b.latent);
        b.y = model.decoder.forward(p.decoder, z, b.decoder);
        b.loss = model.loss.sum(b.y, x);
        b.divergence = model.latent.divergence(h);
        const Batch<T> dy = model.loss.gradient(b.y, x, pixels, b.dy);
        fill(b.gradient.decoder, 0);
        b.dz = model.decoder.backward(p.decoder, b.decoder, dy, b.gradient.decoder);
    });
    fill(workspace.reconstruction_gradient, 0);
    add_blocks(workspace, images.samples(), 1, &params_t<Model, T>::decoder, workspace.reconstruction_gradient,
               executor);
    double loss = 0, divergence = 0;
    for (std::size_t b = 0; b * block_samples < images.samples(); ++b) {
        loss += workspace.blocks[b].loss;
        divergence += workspace.blocks[b].divergence;
    }
    const double n = static_cast<double>(pixels);
    return {.reconstruction = loss / n, .latent = divergence / n};
}

/// Step 2. The direction u = dL_grad/dg, in workspace.direction; u is 0 outside the monitored tensors.
/// @return L_grad
template <class Model, class T, class Policy>
double direction(const Policy& policy, TrainingWorkspace<Model, T>& workspace) {
    fill(workspace.direction, 0);
    return policy.add_penalty_gradient(workspace.reconstruction_gradient, workspace.direction);
}

/// Step 3. The tangents of the decoder's passes along u (Pearlmutter's R-operator), for one block. z does not depend on
/// the decoder, so z_dot = 0 and no tangent arises in the encoder.
///     y_dot: n,H,W,C      dy_dot: n,H,W,C -> dz_dot: n,h,w,c      g_dot = H u, in the block's gradient
/// @return dz + alpha * dz_dot: the encoder's backward pass is linear in what enters it, so that one pass serves both
template <class Model, class T, class Block, class Tangent>
Batch<T> decoder_tangents(const Model& model, const TrainingWorkspace<Model, T>& workspace, double alpha, Batch<T> x,
                          std::size_t pixels, Block& b, Tangent& t) {
    const auto &p = workspace.packed.decoder, &p_dot = workspace.packed_direction;
    fill(b.gradient.decoder, 0);
    const Batch<T> y_dot = forward_tangent_parameters(model.decoder, p, p_dot, b.decoder, t.decoder, b.dz.shape(), t.z);
    const Batch<T> dy_dot = model.loss.gradient_tangent(b.y, x, y_dot, pixels, t.dy);
    const Batch<T> dz_dot = model.decoder.backward_tangent(p, p_dot, b.decoder, t.decoder, dy_dot, b.gradient.decoder);
    const auto sum = reserve(t.dz, b.dz.shape());
    for (std::size_t i = 0, n = sum.size(); i < n; ++i)
        sum.data()[i] = b.dz.data()[i] + static_cast<T>(alpha) * dz_dot.data()[i];
    return {sum.data(), sum.shape()};
}

/// Step 4. One backward pass of the encoder.   dz: n,h,w,c -> dJ/dtheta of the encoder, in the block's gradient
template <class Model, class T, class Block>
void encoder_backward(const Model& model, const TrainingWorkspace<Model, T>& workspace, Batch<T> dz, std::size_t pixels,
                      Block& b) {
    fill(b.gradient.encoder, 0);
    const Batch<T> dh = model.latent.backward(b.latent, dz, 1 / static_cast<double>(pixels));
    backward_parameters(model.encoder, workspace.packed.encoder, b.encoder, dh, b.gradient.encoder);
}

/// Step 5. dJ/dtheta = (the encoder's sum over blocks, g + alpha * H u of the decoder), in workspace.gradient.
template <class Model, class T>
void sum_gradient(TrainingWorkspace<Model, T>& workspace, std::size_t samples, double alpha, Executor& executor) {
    using Params = params_t<Model, T>;
    copy(workspace.reconstruction_gradient, workspace.gradient.decoder);
    if (alpha > 0) add_blocks(workspace, samples, alpha, &Params::decoder, workspace.gradient.decoder, executor);
    fill(workspace.gradient.encoder, 0);
    add_blocks(workspace, samples, 1, &Params::encoder, workspace.gradient.encoder, executor);
}

inline double total(const Losses& losses, double alpha) {
    return losses.reconstruction + losses.latent + alpha * losses.alignment;
}
} // namespace detail

/// J of a batch, without its gradient: what validation needs. A Gaussian latent's code is its mean.
/// @param images N x height x width x channels, N > 0
/// @throws ShapeError when the model cannot reconstruct images of this size
template <class Model, class T, class Policy>
Losses evaluate(const Model& model, const params_t<Model, T>& params, const Policy& policy,
                std::type_identity_t<Batch<T>> images, TrainingWorkspace<Model, T>& workspace, Executor& executor) {
    Losses losses = detail::forward_and_decoder_backward<Model, T>(model, params, images, {}, workspace, executor);
    losses.alignment = policy.penalty(workspace.reconstruction_gradient);
    losses.total = detail::total(losses, policy.options().alpha);
    return losses;
}

/// J = L + alpha * L_grad of a batch and its exact gradient, which is left in workspace.gradient. L is the model's loss
/// plus the latent's KL.
///
/// The reference is a constant in J. So the gradient of L_grad is one Hessian-vector product (docs/theory.md):
///     dL_grad/dtheta = H u,   H = d2L/dtheta2,   u = dL_grad/dg on the monitored tensors and 0 elsewhere
/// @param images N x height x width x channels, N > 0
/// @param policy of the decoder's parameters
/// @param noise eps of a Gaussian latent (Latent::draw); empty: its code is its mean
/// @throws ShapeError when the model cannot reconstruct images of this size, or the noise does not fit
template <class Model, class T, class Policy>
Losses objective(const Model& model, const params_t<Model, T>& params, const Policy& policy,
                 std::type_identity_t<Batch<T>> images, TrainingWorkspace<Model, T>& workspace, Executor& executor,
                 std::type_identity_t<Batch<T>> noise = {}) {
    static_assert(std::is_same_v<typename Policy::Gradients, decltype(params_t<Model, T>::decoder)>,
                  "the policy is of another network: make it with GradCon{params.decoder, ...}");
    Losses losses = detail::forward_and_decoder_backward<Model, T>(model, params, images, noise, workspace, executor);
    losses.alignment = detail::direction(policy, workspace);
    losses.total = detail::total(losses, policy.options().alpha);

    const bool second_order = policy.options().alpha > 0 && policy.reference().updates() > 0;
    const double alpha = second_order ? policy.options().alpha : 0;
    const std::size_t pixels = images.size();
    if (second_order) pack(model.decoder, workspace.direction, workspace.packed_direction);
    detail::for_each_block(workspace, images, noise, executor, [&](auto& b, Batch<T> x, Batch<T>, auto& t) {
        const Batch<T> dz = second_order ? detail::decoder_tangents(model, workspace, alpha, x, pixels, b, t) : b.dz;
        detail::encoder_backward(model, workspace, dz, pixels, b);
    });
    detail::sum_gradient(workspace, images.samples(), alpha, executor);
    return losses;
}

/// One step of training (paper, section 4): the objective's gradient, then the reference, then the optimizer. Nothing
/// changes when the loss is not finite.
/// @param noise as in objective
/// @return the losses before the step
template <class Model, class T, class Policy, class Optimizer>
Losses train_step(const Model& model, params_t<Model, T>& params, Policy& policy, Optimizer& optimizer,
                  std::type_identity_t<Batch<T>> images, TrainingWorkspace<Model, T>& workspace, Executor& executor,
                  std::type_identity_t<Batch<T>> noise = {}) {
    const Losses losses = objective(model, params, policy, images, workspace, executor, noise);
    if (!is_finite(losses.total)) return losses;
    policy.update(workspace.gradient.decoder);
    optimizer.step(params, workspace.gradient);
    return losses;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
