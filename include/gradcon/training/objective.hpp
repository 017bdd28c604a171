#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/core/executor.hpp"
#include "gradcon/nn/loss.hpp"
#include "gradcon/nn/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The terms of the training loss on a batch: total = reconstruction + latent + alpha * alignment.
struct Losses {
    double reconstruction = 0; // mean squared error
    double latent = 0;         // KL of a Gaussian latent, divided by the batch's pixel values; else 0
    double alignment = 0;      // L_grad, in [-1, 1]; 0 before the first update of the reference
    double total = 0;          // J
};

namespace detail {
/// Runs f(block, its images, its noise, the thread's tangent) for each block of the batch.
template <class Workspace, class T, class P, class F>
void for_each_block(Workspace& workspace, const P& like, Batch<T> images, Batch<T> noise, Executor& executor, F&& f) {
    const std::size_t samples = images.samples(), count = (samples + block_samples - 1) / block_samples;
    while (workspace.blocks.size() < count) {
        typename decltype(workspace.blocks)::value_type block;
        block.gradient = like;
        workspace.blocks.push_back(std::move(block));
    }
    if (workspace.tangents.size() < executor.workers()) workspace.tangents.resize(executor.workers());
    executor.run(count, [&](std::size_t b, std::size_t worker) {
        const std::size_t first = b * block_samples, size = std::min(block_samples, samples - first);
        f(workspace.blocks[b], images.slice(first, size), noise.data() ? noise.slice(first, size) : noise,
          workspace.tangents[worker]);
    });
}

/// sum += factor * branch of every block's gradient, blocks in index order for each element. The threads share the
/// elements, not the blocks, so their number does not show in the bits.
template <class Workspace, class Tree, class Branch>
void add_blocks(Workspace& workspace, std::size_t samples, double factor, Tree& sum, Executor& executor,
                Branch&& branch) {
    constexpr std::size_t parts = 16;
    executor.run(parts, [&](std::size_t part, std::size_t) {
        for (std::size_t b = 0; b * block_samples < samples; ++b)
            for_each_tensor(
                [&](auto& to, const auto& from) {
                    const std::size_t size = elements(to).size(), first = size * part / parts,
                                      count = size * (part + 1) / parts - first;
                    axpy(factor, elements(from).subspan(first, count), elements(to).subspan(first, count));
                },
                sum, branch(workspace.blocks[b].gradient));
    });
}

/// Forward through the autoencoder and backward as far as the policy watches: the terms of L, and its gradient there in
/// workspace.reconstruction_gradient.
template <class Policy, class Model, class T, class Workspace>
Losses reconstruct(const Model& model, const params_t<Model, T>& params, Batch<T> images, Batch<T> noise,
                   Workspace& workspace, Executor& executor) {
    if (images.samples() == 0) throw ShapeError("a batch of no images has no loss");
    model.check_shape(images.shape());
    if (noise.data() && noise.samples() != images.samples())
        throw ShapeError(message("noise for ", noise.samples(), " images was given with ", images.samples()));
    model.pack(params, workspace.packed);
    const std::size_t pixels = images.size();
    for_each_block(workspace, params, images, noise, executor, [&](auto& block, Batch<T> x, Batch<T> eps, auto&) {
        const Batch<T> h = model.encoder.forward(workspace.packed.encoder, x, block.encoder);
        const Batch<T> z = model.latent.forward(h, eps, block.latent);
        const Batch<T> y = model.decoder.forward(workspace.packed.decoder, z, block.decoder);
        block.squared_error = MeanSquaredError::sum(y, x);
        block.divergence = model.latent.divergence(h);
        const Batch<T> dy = MeanSquaredError::gradient(y, x, pixels, block.dy);
        fill(watched<Policy>(block.gradient), 0);
        block.adjoint = model.decoder.backward(workspace.packed.decoder, block.decoder, dy, block.gradient.decoder);
        if constexpr (watches_all<Policy, params_t<Model, T>>())
            backward_parameters(model.encoder, workspace.packed.encoder, block.encoder,
                                model.latent.backward(block.latent, block.adjoint, 1 / static_cast<double>(pixels)),
                                block.gradient.encoder);
    });
    double squared_error = 0, divergence = 0;
    for (std::size_t b = 0; b * block_samples < images.samples(); ++b) {
        squared_error += workspace.blocks[b].squared_error;
        divergence += workspace.blocks[b].divergence;
    }
    fill(watched<Policy>(workspace.reconstruction_gradient), 0);
    add_blocks(
        workspace, images.samples(), 1, watched<Policy>(workspace.reconstruction_gradient), executor,
        [](auto& gradient) -> auto& { return watched<Policy>(gradient); });
    Losses losses;
    losses.reconstruction = squared_error / static_cast<double>(pixels);
    losses.latent = divergence / static_cast<double>(pixels);
    return losses;
}

inline void total(Losses& losses, double alpha) {
    losses.total = losses.reconstruction + losses.latent + alpha * losses.alignment;
}
} // namespace detail

/// J of a batch, without its gradient: what validation looks at. A Gaussian latent's code is its mean.
/// @param images N x height x width x channels, N > 0  @throws ShapeError when the model cannot give them back
template <class Model, class T, class Policy>
Losses evaluate(const Model& model, const params_t<Model, T>& params, const Policy& policy, Batch<T> images,
                TrainingWorkspace<Model, T>& workspace, Executor& executor) {
    Losses losses = detail::reconstruct<Policy, Model, T>(model, params, images, {}, workspace, executor);
    losses.alignment = policy.penalty(watched<Policy>(workspace.reconstruction_gradient));
    detail::total(losses, policy.options().alpha);
    return losses;
}

/// J = L + alpha * L_grad of a batch and its exact gradient, left in workspace.gradient; L = mse, plus the latent's KL.
///
/// The reference is a constant in J, so the alignment term's gradient is one Hessian-vector product:
///     dL_grad/dtheta = H u,  H = d2L/dtheta2,  u = dL_grad/dg on the monitored tensors and 0 elsewhere,
/// which is the derivative of the gradient along u: forward_tangent and backward_tangent (Pearlmutter's R-operator).
/// Where the policy watches the decoder only, u has no part in the encoder and no tangent arises there; since the
/// encoder's backward pass is linear in its adjoint, one pass on dL/dz + alpha * (dL/dz)_dot serves both terms.
/// @param images N x height x width x channels, N > 0
/// @param noise eps of a Gaussian latent (Latent::draw); empty: its code is its mean
/// @throws ShapeError when the model cannot give the images back, or the noise does not fit
template <class Model, class T, class Policy>
Losses objective(const Model& model, const params_t<Model, T>& params, const Policy& policy, Batch<T> images,
                 TrainingWorkspace<Model, T>& workspace, Executor& executor, Batch<T> noise = {}) {
    constexpr bool all = watches_all<Policy, params_t<Model, T>>();
    const double alpha = policy.options().alpha, latent_weight = 1 / static_cast<double>(images.size());
    Losses losses = detail::reconstruct<Policy, Model, T>(model, params, images, noise, workspace, executor);
    auto& direction = watched<Policy>(workspace.direction);
    fill(direction, 0);
    losses.alignment = policy.add_penalty_gradient(watched<Policy>(workspace.reconstruction_gradient), direction);
    detail::total(losses, alpha);

    const auto &p = workspace.packed, &p_dot = workspace.packed_direction;
    const bool second_order = alpha > 0 && policy.reference().updates() > 0;
    if (second_order) {
        pack(model.decoder, workspace.direction.decoder, workspace.packed_direction.decoder);
        if constexpr (all) pack(model.encoder, workspace.direction.encoder, workspace.packed_direction.encoder);
    }
    detail::for_each_block(workspace, params, images, noise, executor, [&](auto& b, Batch<T> x, Batch<T>, auto& t) {
        Batch<T> adjoint = b.adjoint, y_dot;
        if (second_order) {
            fill(watched<Policy>(b.gradient), 0);
            if constexpr (all) {
                const Batch<T> h_dot = forward_tangent_parameters(model.encoder, p.encoder, p_dot.encoder, b.encoder,
                                                                  t.encoder, x.shape(), t.x);
                y_dot = model.decoder.forward_tangent(p.decoder, p_dot.decoder, b.decoder, t.decoder,
                                                      model.latent.forward_tangent(b.latent, h_dot, t.latent));
            } else {
                y_dot = forward_tangent_parameters(model.decoder, p.decoder, p_dot.decoder, b.decoder, t.decoder,
                                                   adjoint.shape(), t.z);
            }
            const Batch<T> dy_dot = MeanSquaredError::gradient_tangent(y_dot, images.size(), t.dy);
            const Batch<T> dz_dot = model.decoder.backward_tangent(p.decoder, p_dot.decoder, b.decoder, t.decoder,
                                                                   dy_dot, b.gradient.decoder);
            if constexpr (all) {
                model.encoder.backward_tangent(p.encoder, p_dot.encoder, b.encoder, t.encoder,
                                               model.latent.backward_tangent(b.latent, t.latent, dz_dot, latent_weight),
                                               b.gradient.encoder);
            } else {
                const auto sum = reserve(t.dz, adjoint.shape());
                for (std::size_t i = 0, n = sum.size(); i < n; ++i)
                    sum.data()[i] = adjoint.data()[i] + static_cast<T>(alpha) * dz_dot.data()[i];
                adjoint = Batch<T>(sum.data(), sum.shape());
            }
        }
        if constexpr (!all) {
            fill(b.gradient.encoder, 0);
            backward_parameters(model.encoder, p.encoder, b.encoder,
                                model.latent.backward(b.latent, adjoint, latent_weight), b.gradient.encoder);
        }
    });
    copy(watched<Policy>(workspace.reconstruction_gradient), watched<Policy>(workspace.gradient));
    if (second_order)
        detail::add_blocks(
            workspace, images.samples(), alpha, watched<Policy>(workspace.gradient), executor,
            [](auto& g) -> auto& { return watched<Policy>(g); });
    if constexpr (!all) {
        fill(workspace.gradient.encoder, 0);
        detail::add_blocks(
            workspace, images.samples(), 1, workspace.gradient.encoder, executor,
            [](auto& g) -> auto& { return g.encoder; });
    }
    return losses;
}

/// One step of training (method of section 4 of the paper): the objective's gradient, then the reference, then the
/// optimizer. Nothing changes when the loss is not finite. @param noise as in objective
/// @return the losses before the step
template <class Model, class T, class Policy, class Optimizer>
Losses train_step(const Model& model, params_t<Model, T>& params, Policy& policy, Optimizer& optimizer, Batch<T> images,
                  TrainingWorkspace<Model, T>& workspace, Executor& executor, Batch<T> noise = {}) {
    const Losses losses = objective<Model, T>(model, params, policy, images, workspace, executor, noise);
    if (!is_finite(losses.total)) return losses;
    policy.update(watched<Policy>(policy.options().reference_of == ReferenceOf::total_loss
                                      ? workspace.gradient
                                      : workspace.reconstruction_gradient));
    optimizer.step(params, workspace.gradient);
    return losses;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
