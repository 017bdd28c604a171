#pragma once

#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/sequential.hpp"

#include <tuple>
#include <utility>

// A network that is known when compiling, as one that is known when running: for a TrainedModel, a Detector or a model
// file that describes its network. Both give the same bits.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The model with its layers in chains. The library must ship all of them.
template <class... E, class... D, class Loss>
Autoencoder<Chain, Chain, Loss> to_chain(const Autoencoder<Sequential<E...>, Sequential<D...>, Loss>& model) {
    return {Chain(model.encoder), Chain(model.decoder), model.latent, model.loss};
}

namespace detail {
template <class T, class... Layers, class Params>
Chain::Params<T> to_chain(const Sequential<Layers...>&, const Params& params) {
    Chain::Params<T> result;
    std::apply(
        [&](const auto&... layer) {
            (result.layers.emplace_back(std::in_place_index<ByLayer<Chain::AnyLayer>::index<Layers>>, layer), ...);
        },
        params.layers);
    return result;
}
} // namespace detail

/// The parameters of `model` (or a gradient of theirs) as those of to_chain(model).
template <class... E, class... D, class Loss, class Params, class T = scalar_t<Params>>
params_t<Autoencoder<Chain, Chain, Loss>, T>
to_chain(const Autoencoder<Sequential<E...>, Sequential<D...>, Loss>& model, const Params& params) {
    return {detail::to_chain<T>(model.encoder, params.encoder), detail::to_chain<T>(model.decoder, params.decoder)};
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
