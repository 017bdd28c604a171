#pragma once

#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/scoring/statistics.hpp"

#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// All that scoring one image writes. Each thread needs its own, made by Scorer::workspace. It grows with the first
/// image of each size and pixel type (bytes or scalars); later images allocate nothing.
template <class Model, class T>
struct ScoringWorkspace {
    encoder_cache_t<Model, T> encoder;
    Latent::Cache<T> latent;
    decoder_cache_t<Model, T> decoder;
    Tensor<T, 4> dy, image;                        // dL/dy; an image of bytes as scalars
    Batch<T> x, y;                                 // views of the last image and of its reconstruction
    params_t<Model, T> gradient;                   // for fit_profile, and for layers that must store their gradients
    std::vector<kernels::Reduction<T>> reductions; // of each tensor of the tree
    AlignedVector<T> code;                         // whitened, for its distance
    Scores statistics;                             // of the last image
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
