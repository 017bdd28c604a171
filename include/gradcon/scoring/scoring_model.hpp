#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/scoring/profile.hpp"
#include "gradcon/scoring/statistics.hpp"

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// All that scoring reads. It is made once; scorers and attributions share it.
///
/// Memory, in values of type T: twice the network's parameters (`packed` and `form`) and once the monitored tensors
/// (`references`). A profile adds twice the monitored tensors, and n^2 for codes of n values.
template <class Model, class T>
struct ScoringModel {
    Model model;
    typename Model::template Packed<T> packed; // the weights in the order of use
    params_t<Model, T> form;                   // a tree of zeros, which workspaces copy
    std::size_t encoder_tensors;
    double beta;
    std::vector<std::size_t> monitored;       // indices in the tree of all parameters, ascending
    std::vector<AlignedVector<T>> references; // of each monitored tensor
    std::vector<double> squared_norms;        // of the references
    GradientProfile<T> profile;               // empty: there is none
    std::vector<double> squared_mean_norms;   // of the profile's mean gradients

    /// @param policy trained together with `params`
    /// @throws ShapeError when the policy is of another network
    template <class Policy>
    ScoringModel(const Model& network, const params_t<Model, T>& params, const Policy& policy)
        : model(network), form(zeros_like(params)), encoder_tensors(tensor_count(params.encoder)),
          beta(policy.options().beta), monitored(policy.monitored()) {
        model.pack(params, packed);
        static_assert(std::is_same_v<typename Policy::Gradients, decltype(params_t<Model, T>::decoder)>,
                      "the policy is of another network: make it with GradCon{params.decoder, ...}");
        for (std::size_t& index : monitored) index += encoder_tensors;
        if (tensor_count(form) <= monitored.back()) throw ShapeError("Scorer: the policy monitors another network");
        policy.for_each_monitored(params.decoder, [&](std::size_t i, const auto& tensor) {
            const auto values = policy.reference().values(i);
            if (values.size() != tensor.size())
                throw ShapeError(message("Scorer: monitored tensor ", policy.names()[i], " has ", tensor.size(),
                                         " elements, its reference ", values.size()));
            references.emplace_back(values.begin(), values.end());
            squared_norms.push_back(policy.reference().squared_norm(i));
        });
    }

    /// @param gradients of the same model (fit_profile), for the statistics that need a profile
    /// @throws ShapeError when the policy is of another network, or the profile of other tensors
    template <class Policy>
    ScoringModel(const Model& network, const params_t<Model, T>& params, const Policy& policy,
                 GradientProfile<T> gradients)
        : ScoringModel(network, params, policy) {
        check_profile(gradients, policy, params.decoder);
        profile = std::move(gradients);
        for (const auto& mean : profile.mean)
            squared_mean_norms.push_back(kernels::dot(std::span(mean), std::span(mean)));
    }

    /// @throws ShapeError when the network cannot reconstruct images of this shape, or their codes do not have the size
    /// of the profile's
    void check(const Shape& images) const {
        if (images[0] == 0) return;
        model.check_shape(images);
        if (profile.has_codes() && model.code_size(images) != profile.code_mean.size())
            throw ShapeError(message("scores: the profile's codes have ", profile.code_mean.size(),
                                     " values, those of these images ", model.code_size(images)));
    }

    Available available() const {
        return {.tensors = monitored.size(), .profile = !profile.mean.empty(), .codes = profile.has_codes()};
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
