#pragma once

#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/autoencoder.hpp"

#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// All that scoring one image writes; one for each thread, made by Scorer::workspace. It grows with the first image of
/// each size, pixel type (bytes or scalars) and set of outputs, and later ones allocate nothing.
template <class Model, class T>
struct ScoringWorkspace {
    encoder_cache_t<Model, T> encoder;
    Latent::Cache<T> latent;
    decoder_cache_t<Model, T> decoder;
    Tensor<T, 4> dy, image;      // image: where bytes become scalars
    Batch<T> x, y;               // views of the last image and of its reconstruction
    params_t<Model, T> gradient; // for fit_profile, and for layers that cannot reduce theirs on the way
    std::vector<kernels::Reduction<T>> reductions; // of each tensor of the tree
    AlignedVector<T> code;                         // for its distance
    std::vector<double> statistics;                // for Scorer::statistics
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
