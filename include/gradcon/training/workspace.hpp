#pragma once

#include "gradcon/core/executor.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/tree/algebra.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

// What a training step writes, and how a batch is shared among threads.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The images of a batch that one thread works on together. A batch's sums run over blocks in index order, so the bits
/// do not depend on the number of threads.
inline constexpr std::size_t block_samples = 8;

/// All that a training step writes besides parameters, reference and moments. The caller owns it; one step uses it at a
/// time. It grows with the largest batch.
template <class Model, class T>
struct TrainingWorkspace {
    using Params = params_t<Model, T>;

    struct Block {
        encoder_cache_t<Model, T> encoder;
        Latent::Cache<T> latent;
        decoder_cache_t<Model, T> decoder;
        Tensor<T, 4> dy;
        Batch<T> y, dz;  // reconstruction and dL/dz, views into the decoder's cache
        Params gradient; // the block's share: of the decoder first g, then g_dot
        double loss = 0, divergence = 0;
    };

    /// The tangents of the block that a thread works on; no later block reads them.
    struct Tangent {
        decoder_cache_t<Model, T> decoder;
        Tensor<T, 4> dy, z, dz;
    };

    explicit TrainingWorkspace(const Params& like)
        : gradient(zeros_like(like)), reconstruction_gradient(gradient.decoder), direction(gradient.decoder) {}

    typename Model::template Packed<T> packed;
    decltype(Model::template Packed<T>::decoder) packed_direction;
    std::vector<Block> blocks;
    std::vector<Tangent> tangents;                     // one for each thread
    Params gradient;                                   // dJ/dtheta, of the total loss
    decltype(Params::decoder) reconstruction_gradient; // g = dL/dphi
    decltype(Params::decoder) direction;               // u = dL_grad/dg
};

namespace detail {
/// Runs f(block, its images, its noise, the thread's tangent) for each block of the batch.
template <class Model, class T, class F>
void for_each_block(TrainingWorkspace<Model, T>& workspace, Batch<T> images, Batch<T> noise, Executor& executor,
                    F&& f) {
    const std::size_t samples = images.samples(), count = (samples + block_samples - 1) / block_samples;
    while (workspace.blocks.size() < count) {
        typename TrainingWorkspace<Model, T>::Block block;
        block.gradient = workspace.gradient;
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
/// @param branch of the parameters' tree: &Params::encoder or &Params::decoder
template <class Model, class T, class Params, class Tree>
void add_blocks(const TrainingWorkspace<Model, T>& workspace, std::size_t samples, double factor, Tree Params::*branch,
                Tree& sum, Executor& executor) {
    constexpr std::size_t parts = 16;
    executor.run(parts, [&](std::size_t part, std::size_t) {
        for (std::size_t b = 0; b * block_samples < samples; ++b)
            for_each_tensor(
                [&](auto& to, const auto& from) {
                    const std::size_t size = elements(to).size(), first = size * part / parts,
                                      count = size * (part + 1) / parts - first;
                    axpy(factor, elements(from).subspan(first, count), elements(to).subspan(first, count));
                },
                sum, workspace.blocks[b].gradient.*branch);
    });
}
} // namespace detail

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
