#pragma once

#include "gradcon/executor.hpp"
#include "gradcon/nn/loss.hpp"
#include "gradcon/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// The terms of the training loss on a batch: total = reconstruction + alpha * alignment.
struct Losses {
    double reconstruction = 0; // L, mean squared error
    double alignment = 0;      // L_grad, in [-1, 1]; 0 before the first update of the reference
    double total = 0;          // J
};

namespace detail {
/// Runs f(block, its images, the thread's tangent) for each block of the batch.
template <class Workspace, class T, class P, class F>
void for_each_block(Workspace& workspace, const P& like, Batch<T> images, Executor& executor, F&& f) {
    const std::size_t samples = images.samples(), count = (samples + block_samples - 1) / block_samples;
    while (workspace.blocks.size() < count) {
        typename decltype(workspace.blocks)::value_type block;
        block.gradient = like;
        workspace.blocks.push_back(std::move(block));
    }
    if (workspace.tangents.size() < executor.workers()) workspace.tangents.resize(executor.workers());
    executor.run(count, [&](std::size_t b, std::size_t worker) {
        const std::size_t first = b * block_samples;
        f(workspace.blocks[b], images.slice(first, std::min(block_samples, samples - first)),
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

/// Forward through the autoencoder and backward through the decoder: L, and dL/dphi in
/// workspace.reconstruction_gradient.
template <class Model, class T, class Workspace>
double reconstruct(const Model& model, const params_t<Model, T>& params, Batch<T> images, Workspace& workspace,
                   Executor& executor) {
    if (images.samples() == 0) throw ShapeError("a batch of no images has no loss");
    model.check_shape(images.shape());
    model.pack(params, workspace.packed);
    const std::size_t elements = images.size();
    for_each_block(workspace, params, images, executor, [&](auto& block, Batch<T> x, auto&) {
        const Batch<T> z = model.encoder.forward(workspace.packed.encoder, x, block.encoder);
        const Batch<T> y = model.decoder.forward(workspace.packed.decoder, z, block.decoder);
        block.squared_error = MeanSquaredError::sum(y, x);
        const Batch<T> dy = MeanSquaredError::gradient(y, x, elements, block.dy);
        fill(block.gradient.decoder, 0);
        block.adjoint = model.decoder.backward(workspace.packed.decoder, block.decoder, dy, block.gradient.decoder);
    });
    double squared_error = 0;
    for (std::size_t b = 0; b * block_samples < images.samples(); ++b)
        squared_error += workspace.blocks[b].squared_error;
    fill(workspace.reconstruction_gradient, 0);
    add_blocks(
        workspace, images.samples(), 1, workspace.reconstruction_gradient, executor,
        [](auto& gradient) -> auto& { return gradient.decoder; });
    return squared_error / static_cast<double>(elements);
}
} // namespace detail

/// J of a batch, without its gradient: what validation looks at.
/// @param images N x height x width x channels, N > 0  @throws ShapeError when the model cannot give them back
template <class Model, class T, class Policy>
Losses evaluate(const Model& model, const params_t<Model, T>& params, const Policy& policy, Batch<T> images,
                TrainingWorkspace<Model, T>& workspace, Executor& executor) {
    Losses losses;
    losses.reconstruction = detail::reconstruct<Model, T>(model, params, images, workspace, executor);
    losses.alignment = policy.penalty(workspace.reconstruction_gradient);
    losses.total = losses.reconstruction + policy.options().alpha * losses.alignment;
    return losses;
}

/// J = L + alpha * L_grad of a batch and its exact gradient, left in workspace.gradient.
///
/// The reference is a constant in J, so the alignment term's gradient is one Hessian-vector product:
///     dL_grad/dtheta = H u,  H = d2L/dtheta2,  u = dL_grad/dg on the monitored tensors and 0 elsewhere,
/// which is the derivative of the gradient along u: forward_tangent and backward_tangent through the decoder
/// (Pearlmutter's R-operator). u has no part in the encoder, so no tangent arises there; since the encoder's backward
/// pass is linear in its adjoint, one pass on dL/dz + alpha * (dL/dz)_dot serves both terms.
/// @param images N x height x width x channels, N > 0  @throws ShapeError when the model cannot give them back
template <class Model, class T, class Policy>
Losses objective(const Model& model, const params_t<Model, T>& params, const Policy& policy, Batch<T> images,
                 TrainingWorkspace<Model, T>& workspace, Executor& executor) {
    const double alpha = policy.options().alpha;
    Losses losses;
    losses.reconstruction = detail::reconstruct<Model, T>(model, params, images, workspace, executor);
    fill(workspace.direction, 0);
    losses.alignment = policy.add_penalty_gradient(workspace.reconstruction_gradient, workspace.direction);
    losses.total = losses.reconstruction + alpha * losses.alignment;

    const bool second_order = alpha > 0 && policy.reference().updates() > 0;
    if (second_order) pack(model.decoder, workspace.direction, workspace.packed_direction);
    detail::for_each_block(workspace, params, images, executor, [&](auto& block, Batch<T>, auto& tangent) {
        Batch<T> adjoint = block.adjoint;
        if (second_order) {
            fill(block.gradient.decoder, 0);
            const Batch<T> y_dot =
                forward_tangent_parameters(model.decoder, workspace.packed.decoder, workspace.packed_direction,
                                           block.decoder, tangent.decoder, adjoint.shape(), tangent.z);
            const Batch<T> dy_dot = MeanSquaredError::gradient_tangent(y_dot, images.size(), tangent.dy);
            const Batch<T> dz_dot =
                model.decoder.backward_tangent(workspace.packed.decoder, workspace.packed_direction, block.decoder,
                                               tangent.decoder, dy_dot, block.gradient.decoder);
            const auto sum = reserve(tangent.dz, adjoint.shape());
            for (std::size_t i = 0, n = sum.size(); i < n; ++i)
                sum.data()[i] = adjoint.data()[i] + static_cast<T>(alpha) * dz_dot.data()[i];
            adjoint = Batch<T>(sum.data(), sum.shape());
        }
        fill(block.gradient.encoder, 0);
        backward_parameters(model.encoder, workspace.packed.encoder, block.encoder, adjoint, block.gradient.encoder);
    });
    fill(workspace.gradient.encoder, 0);
    detail::add_blocks(
        workspace, images.samples(), 1, workspace.gradient.encoder, executor,
        [](auto& g) -> auto& { return g.encoder; });
    copy(workspace.reconstruction_gradient, workspace.gradient.decoder);
    if (second_order)
        detail::add_blocks(
            workspace, images.samples(), alpha, workspace.gradient.decoder, executor,
            [](auto& g) -> auto& { return g.decoder; });
    return losses;
}

/// One step of training (method of section 4 of the paper): the objective's gradient, then the reference, then the
/// optimizer. Nothing changes when the loss is not finite. @return the losses before the step
template <class Model, class T, class Policy, class Optimizer>
Losses train_step(const Model& model, params_t<Model, T>& params, Policy& policy, Optimizer& optimizer, Batch<T> images,
                  TrainingWorkspace<Model, T>& workspace, Executor& executor) {
    const Losses losses = objective<Model, T>(model, params, policy, images, workspace, executor);
    if (!is_finite(losses.total)) return losses;
    policy.update(policy.options().reference_of == ReferenceOf::total_loss ? workspace.gradient.decoder
                                                                           : workspace.reconstruction_gradient);
    optimizer.step(params, workspace.gradient);
    return losses;
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
