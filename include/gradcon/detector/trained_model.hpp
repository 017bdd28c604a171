#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/detector/table_input.hpp"
#include "gradcon/evaluation/calibration.hpp"
#include "gradcon/image/image_input.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/sequential.hpp"
#include "gradcon/nn/to_chain.hpp"
#include "gradcon/scoring/profile.hpp"
#include "gradcon/scoring/score_rules.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What a network is fed with: unknown, pictures or rows of numbers.
using Input = std::variant<std::monostate, ImageInput, TableInput>;

/// The shape of one sample as the network takes it. @throws ValueError when the input is unknown or out of range
inline Shape sample_shape(const Input& input) {
    if (const auto* image = std::get_if<ImageInput>(&input)) {
        image->check();
        return {1, image->height, image->width, image->channels()};
    }
    if (const auto* table = std::get_if<TableInput>(&input)) {
        table->check();
        return {1, 1, 1, table->values()};
    }
    throw ValueError("the model does not say what it is fed with: give it an ImageInput or a TableInput");
}

/// All that training and calibrating leave, as a model file keeps it; a Detector is made from it. The network is of the
/// shipped layers, its policy watches the decoder.
template <class T>
struct TrainedModel {
    using Scalar = T;
    using Model = Autoencoder<Chain, Chain>;

    Model model;
    typename Model::template Params<T> params;
    GradCon<typename Chain::template Params<T>> policy;
    GradientProfile<T> profile{}; // empty: there is none
    AnyScoreRule score_rule{};    // the paper's, unless another is given
    Input input{};
    Calibration calibration{};                  // of score_rule's scores; empty: not calibrated
    std::map<std::string, std::string> notes{}; // how it came about, for people
};

/// A network that is known at compile time, its parameters and its policy as a TrainedModel. The library must ship all
/// of its layers. The scores are the same to the bit.
template <class... E, class... D, class Params, class Tree>
TrainedModel<scalar_t<Params>> to_trained_model(const Autoencoder<Sequential<E...>, Sequential<D...>>& model,
                                                const Params& params, const GradCon<Tree>& policy) {
    using T = scalar_t<Params>;
    auto chain_params = to_chain(model, params);
    const auto monitored = [&](const TensorInfo& tensor) {
        return std::ranges::find(policy.names(), tensor.name) != policy.names().end();
    };
    GradCon<typename Chain::template Params<T>> chain_policy(chain_params.decoder, policy.options(), monitored);
    std::vector<std::vector<double>> means;
    for (std::size_t i = 0; i < policy.count(); ++i) {
        const auto mean = policy.reference().exact(i);
        means.emplace_back(mean.begin(), mean.end());
    }
    chain_policy.reference().restore(means, policy.reference().updates());
    return {to_chain(model), std::move(chain_params), std::move(chain_policy)};
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
