#pragma once

#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/autoencoder.hpp"

#include <cstddef>
#include <type_traits>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

template <class Model, class T>
using params_t = typename Model::template Params<T>;
template <class Model, class T>
using encoder_cache_t = typename decltype(Model::encoder)::template Cache<T>;
template <class Model, class T>
using decoder_cache_t = typename decltype(Model::decoder)::template Cache<T>;

/// Is the policy made for the tree of all parameters, or (the paper's way) for its branch `decoder`?
template <class Policy, class Params>
constexpr bool watches_all() {
    constexpr bool all = std::is_same_v<typename Policy::Gradients, Params>;
    static_assert(all || std::is_same_v<typename Policy::Gradients, decltype(Params::decoder)>,
                  "the policy watches another model: make it with GradCon{params.decoder, ...}, or with "
                  "GradCon{params, options, selector} to watch the encoder too");
    return all;
}

/// The part of a tree of the parameters' form that the policy watches.
template <class Policy, class Params>
auto& watched(Params& tree) {
    if constexpr (watches_all<Policy, std::remove_const_t<Params>>()) return tree;
    else return tree.decoder;
}

/// The samples of a batch that are worked on together, by one thread. A batch's sums run over blocks in index order, so
/// that the bits do not depend on the number of threads.
inline constexpr std::size_t block_samples = 8;

/// All that a training step writes besides parameters, reference and moments. Owned by the caller, used by one step at
/// a time, grown when a larger batch comes.
template <class Model, class T>
struct TrainingWorkspace {
    struct Block {
        encoder_cache_t<Model, T> encoder;
        Latent::Cache<T> latent;
        decoder_cache_t<Model, T> decoder;
        Tensor<T, 4> dy;
        Batch<T> adjoint; // of the code: dL/dz
        params_t<Model, T> gradient;
        double squared_error = 0, divergence = 0;
    };

    /// What a thread needs for the tangents of the block that it works on; no block looks at another's.
    struct Tangent {
        encoder_cache_t<Model, T> encoder;
        Latent::Cache<T> latent;
        decoder_cache_t<Model, T> decoder;
        Tensor<T, 4> x, dy, z, dz;
    };

    explicit TrainingWorkspace(const params_t<Model, T>& like)
        : gradient(zeros_like(like)), reconstruction_gradient(gradient), direction(gradient) {}

    typename Model::template Packed<T> packed, packed_direction;
    std::vector<Block> blocks;
    std::vector<Tangent> tangents;              // one for each thread
    params_t<Model, T> gradient;                // of the total loss J
    params_t<Model, T> reconstruction_gradient; // of L, where the policy watches
    params_t<Model, T> direction;               // u, the derivative of the alignment term in that gradient
};

/// All that scoring one image writes; one for each thread, made by Scorer::workspace. It grows with the first image of
/// each size, pixel type (bytes or scalars) and set of outputs, and later ones allocate nothing.
template <class Model, class T>
struct ScoringWorkspace {
    encoder_cache_t<Model, T> encoder;
    Latent::Cache<T> latent;
    decoder_cache_t<Model, T> decoder;
    Tensor<T, 4> dy, image;      // image: where bytes become scalars
    params_t<Model, T> gradient; // for fit_profile, and for layers that cannot reduce theirs on the way
    std::vector<kernels::Reduction<T>> reductions; // of each tensor of the tree
    AlignedVector<T> code;                         // for its distance
    std::vector<double> statistics;                // for Scorer::statistics
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
