#pragma once

#include "gradcon/kernels/conv2d.hpp"
#include "gradcon/kernels/dense.hpp"
#include "gradcon/kernels/gemm.hpp"
#include "gradcon/kernels/reduce.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/optim/adam.hpp"
#include "gradcon/scoring/profile.hpp"
#include "gradcon/scoring/scorer.hpp"
#include "gradcon/training/fit.hpp"
#include "gradcon/training/objective.hpp"

#include <cstddef>
#include <span>

// What gradcon::compiled holds of the method: the kernels, and the functions of an autoencoder of two Chains whose
// policy watches the decoder. One list for the library, which defines these templates, and for the files that use it.
// NOLINTBEGIN(cppcoreguidelines-macro-usage)

#define GRADCON_COMPILED_KERNELS(INSTANTIATE, T)                                                                       \
    INSTANTIATE void kernels::gather<T>(const kernels::Window&, std::span<const kernels::Product<T>>,                  \
                                        const kernels::Finish<T>&, TensorView<T, 4>, AlignedVector<T>&);               \
    INSTANTIATE void kernels::scatter<T>(const kernels::Window&, std::span<const kernels::Product<T>>,                 \
                                         const kernels::Finish<T>&, TensorView<T, 4>, AlignedVector<T>&);              \
    INSTANTIATE void kernels::outer_product<T>(const kernels::Window&, std::span<const kernels::ImagePair<T>>,         \
                                               kernels::AddTo<T>&, kernels::Scratch<T>&);                              \
    INSTANTIATE void kernels::outer_product<T>(const kernels::Window&, std::span<const kernels::ImagePair<T>>,         \
                                               kernels::DotWithReference<T>&, kernels::Scratch<T>&);                   \
    INSTANTIATE void kernels::outer_product<T>(const kernels::Window&, std::span<const kernels::ImagePair<T>>,         \
                                               kernels::ProfileSums<T>&, kernels::Scratch<T>&);                        \
    INSTANTIATE void kernels::dense<T>(std::span<const kernels::Product<T>>, AlignedVector<T> kernels::Packed<T>::*,   \
                                       const kernels::Finish<T>&, TensorView<T, 4>);

/// Eigen's part: where these are compiled, no header includes it.
#define GRADCON_COMPILED_EIGEN(INSTANTIATE)                                                                            \
    INSTANTIATE void kernels::add_transposed_product<float>(const float*, const float*, float*, std::size_t,           \
                                                            std::size_t, std::size_t);                                 \
    INSTANTIATE void kernels::add_transposed_product<double>(const double*, const double*, double*, std::size_t,       \
                                                             std::size_t, std::size_t);

#define GRADCON_COMPILED_TRAINING(INSTANTIATE, T)                                                                      \
    INSTANTIATE Losses evaluate<compiled::Model, T, compiled::Policy<T>>(                                              \
        const compiled::Model&, const compiled::Params<T>&, const compiled::Policy<T>&, Batch<T>,                      \
        TrainingWorkspace<compiled::Model, T>&, Executor&);                                                            \
    INSTANTIATE Losses objective<compiled::Model, T, compiled::Policy<T>>(                                             \
        const compiled::Model&, const compiled::Params<T>&, const compiled::Policy<T>&, Batch<T>,                      \
        TrainingWorkspace<compiled::Model, T>&, Executor&, Batch<T>);                                                  \
    INSTANTIATE Epoch                                                                                                  \
    detail::run_epoch<compiled::Model, compiled::Params<T>, compiled::Policy<T>, Adam<compiled::Params<T>>, T>(        \
        const compiled::Model&, Training<compiled::Params<T>, compiled::Policy<T>, Adam<compiled::Params<T>>>&,        \
        Batch<T>, const FitOptions<T>&, TrainingWorkspace<compiled::Model, T>&, Executor&);

#define GRADCON_COMPILED_SCORING(INSTANTIATE, T)                                                                       \
    INSTANTIATE class Scorer<compiled::Model, T>;                                                                      \
    INSTANTIATE GradientProfile<T> fit_profile<compiled::Model, compiled::Params<T>, compiled::Policy<T>>(             \
        const compiled::Model&, const compiled::Params<T>&, const compiled::Policy<T>&, Batch<T>, Executor&,           \
        const ProfileOptions&);                                                                                        \
    INSTANTIATE void score_each<compiled::Model, T, Tensor<T, 4>>(                                                     \
        const Scorer<compiled::Model, T>&, const Tensor<T, 4>&, Executor&,                                             \
        std::span<ScoringWorkspace<compiled::Model, T>>, Scores&);                                                     \
    INSTANTIATE Scores score_each<compiled::Model, T, Tensor<T, 4>>(const Scorer<compiled::Model, T>&,                 \
                                                                    const Tensor<T, 4>&, Executor&);

// NOLINTEND(cppcoreguidelines-macro-usage)

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

namespace compiled {
using Model = Autoencoder<Chain, Chain>;
template <class T>
using Params = Model::Params<T>;
template <class T>
using Policy = GradCon<Chain::Params<T>>;
} // namespace compiled

#ifdef GRADCON_COMPILED
GRADCON_COMPILED_KERNELS(extern template, float)
GRADCON_COMPILED_EIGEN(extern template)
GRADCON_COMPILED_TRAINING(extern template, float)
GRADCON_COMPILED_SCORING(extern template, float)
#endif

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon

#ifndef GRADCON_COMPILED_LISTS // which the library's own files define
#undef GRADCON_COMPILED_KERNELS
#undef GRADCON_COMPILED_EIGEN
#undef GRADCON_COMPILED_TRAINING
#undef GRADCON_COMPILED_SCORING
#endif
