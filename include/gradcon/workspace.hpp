#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/autoencoder.hpp"

#include <cstddef>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

template <class Model, class T>
using params_t = typename Model::template Params<T>;
template <class Model, class T>
using decoder_params_t = decltype(params_t<Model, T>::decoder);
template <class Model, class T>
using encoder_cache_t = typename decltype(Model::encoder)::template Cache<T>;
template <class Model, class T>
using decoder_cache_t = typename decltype(Model::decoder)::template Cache<T>;

/// The samples of a batch that are worked on together, by one thread. A batch's sums run over blocks in index order, so
/// that the bits do not depend on the number of threads.
inline constexpr std::size_t block_samples = 8;

/// All that a training step writes besides parameters, reference and moments. Owned by the caller, used by one step at
/// a time, grown when a larger batch comes.
template <class Model, class T>
struct TrainingWorkspace {
    struct Block {
        encoder_cache_t<Model, T> encoder;
        decoder_cache_t<Model, T> decoder;
        Tensor<T, 4> dy;
        Batch<T> adjoint; // of the latent: dL/dz
        params_t<Model, T> gradient;
        double squared_error = 0;
    };

    /// What a thread needs for the tangents of the block that it works on; no block looks at another's.
    struct Tangent {
        decoder_cache_t<Model, T> decoder;
        Tensor<T, 4> dy, z, dz;
    };

    explicit TrainingWorkspace(const params_t<Model, T>& like)
        : gradient(zeros_like(like)), reconstruction_gradient(gradient.decoder), direction(gradient.decoder) {}

    typename Model::template Packed<T> packed;
    packed_t<decltype(Model::decoder), T> packed_direction;
    std::vector<Block> blocks;
    std::vector<Tangent> tangents;                      // one for each thread
    params_t<Model, T> gradient;                        // of the total loss J
    decoder_params_t<Model, T> reconstruction_gradient; // of L, in the decoder
    decoder_params_t<Model, T> direction;               // u, the derivative of the alignment term in that gradient
};

/// All that scoring one image writes; one for each thread. Allocates for the first image of a size only.
template <class Model, class T>
struct ScoringWorkspace {
    encoder_cache_t<Model, T> encoder;
    decoder_cache_t<Model, T> decoder;
    Tensor<T, 4> dy, image;              // image: where bytes become scalars
    decoder_params_t<Model, T> gradient; // only for layers that cannot reduce their gradient on the way
    std::vector<kernels::Reduction<T>> reductions;
};

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
