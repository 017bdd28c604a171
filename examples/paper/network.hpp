#pragma once

#include <gradcon/detector/trained_model.hpp>
#include <gradcon/nn/models.hpp>

#include <cstddef>
#include <tuple>

using Trained = gradcon::TrainedModel<float>;
using Model = Trained::Model;

/// The paper's networks as one type.
inline Model make_model(bool variational, std::size_t channels) {
    const auto chain = [](const auto& sequential) {
        return std::apply([](const auto&... layer) { return gradcon::Chain{{layer...}}; }, sequential.layers());
    };
    const auto convert = [&](const auto& model) {
        return Model{chain(model.encoder), chain(model.decoder), model.latent};
    };
    if (variational) return convert(gradcon::models::paper_vae(channels));
    return convert(gradcon::models::paper_cae(channels));
}
