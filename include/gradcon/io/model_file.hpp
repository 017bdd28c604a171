#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/io/checksum.hpp"
#include "gradcon/io/layers.hpp"
#include "gradcon/io/model_reader.hpp"
#include "gradcon/io/parameters.hpp"
#include "gradcon/io/score_rule.hpp"
#include "gradcon/nn/autoencoder.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

// A trained model as one safetensors file: parameters (names and layouts of PyTorch: see parameters.hpp), the exact
// reference gradients "ref.0", "ref.1", ... (F64, in the layouts of their weights), what scores beyond the paper's have
// fitted (see score_rule.hpp), and as metadata
//     format              "gradcon"
//     format_version      "1", "2" with a latent, a profile or a score rule, "3" with what deployment.hpp adds
//     encoder, decoder    lists of layers, as JSON
//     policy              options, monitored tensors, number of updates
//     latent              a Gaussian latent's size, if there is one
//     score_policy      if it is another than the paper's
//     checksum            CRC-64 over all of that and the tensors
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

inline constexpr unsigned model_format_version = 3;

namespace detail {
template <class Tree>
Description describe_policy(const GradCon<Tree>& policy) {
    const GradConOptions& o = policy.options();
    return Description()
        .with("alpha", o.alpha)
        .with("beta", o.beta)
        .with("reference_of", "total_loss") // these three as older readers expect them
        .with("averaging", "running_mean")
        .with("decay", 0.99)
        .with("monitored", policy.names())
        .with("updates", policy.reference().updates());
}

/// What tells one network from another: its layers and its latent.
template <class Model>
void describe_network(const Model& model, std::map<std::string, std::string>& metadata) {
    metadata["encoder"] = to_json(describe_layers(model.encoder));
    metadata["decoder"] = to_json(describe_layers(model.decoder));
    if (model.latent.is_gaussian())
        metadata["latent"] = to_json({Description().with("type", "Gaussian").with("size", model.latent.size())});
}

/// @throws FileError when the file's network is another one
template <class Model>
void check_network(const ModelReader& reader, const Model& model) {
    std::map<std::string, std::string> ours;
    describe_network(model, ours);
    for (const char* part : {"encoder", "decoder", "latent"}) {
        const bool theirs = reader.has_metadata(part);
        if (!ours.contains(part) && !theirs) continue; // no Gaussian latent
        if (!ours.contains(part) || !theirs || reader.descriptions(part) != parse_descriptions(ours[part]))
            reader.refuse(message("its ", part, " is ", theirs ? reader.text(part) : "none", ", the model's ",
                                  ours.contains(part) ? ours[part] : "none"));
    }
}

/// The latent that the file describes.
inline Latent read_latent(const ModelReader& reader) {
    if (!reader.has_metadata("latent")) return {};
    return reader.object("latent", [](Description& d) {
        if (d.take<std::string>("type") != "Gaussian") throw ValueError("must be one of type Gaussian");
        return Latent::gaussian(d.take_size("size"));
    });
}

/// The policy's exact reference gradients, as tensors prefix + "ref.0", ...
/// @throws ShapeError when the policy is of another network, ValueError when one is not finite
template <class Tree>
void append_references(const GradCon<Tree>& policy, const Tree& decoder, const std::string& prefix,
                       std::vector<TensorToWrite>& tensors) {
    gradcon::detail::monitored_sizes(policy, decoder); // are all of them there?
    policy.for_each_monitored(decoder, [&](std::size_t i, const auto& tensor) {
        tensors.push_back(to_pytorch(prefix + "ref." + std::to_string(i), tensor, policy.reference().exact(i)));
    });
}

template <class Tree>
void read_references(ModelReader& reader, const std::string& prefix, const Tree& decoder, std::uint64_t updates,
                     GradCon<Tree>& policy) {
    std::vector<std::vector<double>> means;
    policy.for_each_monitored(decoder, [&](std::size_t i, const auto& tensor) {
        means.push_back(reader.tensor<double>(prefix + "ref." + std::to_string(i), tensor));
    });
    policy.reference().restore(means, updates);
}

/// A policy for this tree with the file's options and reference.
template <class Tree>
GradCon<Tree> read_policy(ModelReader& reader, const Tree& decoder) {
    return reader.object("policy", [&](Description& d) {
        for (const auto& [key, value] : {std::pair("reference_of", "total_loss"), {"averaging", "running_mean"}})
            if (const auto found = d.take<std::string>(key); found != value)
                throw ValueError(message(key, " \"", found, "\" is no longer supported, only \"", value, "\""));
        const GradConOptions options{.alpha = d.take_number("alpha"), .beta = d.take_number("beta")};
        const auto names = d.take<std::vector<std::string>>("monitored");
        GradCon<Tree> policy(decoder, options,
                             [&](const TensorInfo& tensor) { return std::ranges::count(names, tensor.name) > 0; });
        if (policy.names() != names) throw ValueError("it monitors tensors that are not there, or one twice");
        read_references(reader, "", decoder, d.take<std::uint64_t>("updates"), policy);
        return policy;
    });
}

/// The profile (empty if there is none) and the score rule (the paper's if there is none).
template <class T, class Tree>
std::pair<GradientProfile<T>, AnyScoreRule> read_scoring(ModelReader& reader, const GradCon<Tree>& policy,
                                                         const Tree& decoder) {
    auto profile = read_profile<T>(reader, policy, decoder);
    const Available available{policy.count(), !profile.mean.empty(), profile.has_codes()};
    return {std::move(profile), read_score_rule(reader, available)};
}

/// The lowest version that has what is in a network's file: see version_needed.
template <class Model, class T>
unsigned network_version_needed(const Model& model, const GradientProfile<T>& profile, const AnyScoreRule& score_rule) {
    return model.latent.is_gaussian() || !profile.mean.empty() || score_rule.index() > 0 ? 2 : 1;
}

/// Network, policy and scoring, as tensors and metadata. @throws as save_model does
template <class Model, class Params, class Tree>
void append_model(const Model& model, const Params& params, const GradCon<Tree>& policy,
                  const GradientProfile<scalar_t<Params>>& profile, const AnyScoreRule& score_rule,
                  std::vector<TensorToWrite>& tensors, std::map<std::string, std::string>& metadata) {
    append_parameters(params, "", tensors);
    const Tree& tree = params.decoder;
    append_references(policy, tree, "", tensors);
    metadata["format"] = "gradcon";
    describe_network(model, metadata);
    metadata["policy"] = to_json(std::vector(1, describe_policy(policy)));
    if (!profile.mean.empty()) append_profile(profile, policy, tree, tensors);
    check_score_rule(score_rule, {policy.count(), !profile.mean.empty(), profile.has_codes()});
    if (score_rule.index() > 0) metadata["score_policy"] = append_score_rule(score_rule, tensors);
}
} // namespace detail

/// Writes a trained model; a file that was there is replaced at once or, on any error, not at all.
/// @param profile of fit_profile, if there is one; score_rule: what turns its statistics into a score
/// @throws ShapeError when policy or profile is of another network; ValueError when a number of what is saved is not
/// finite, or the score rule does not fit policy and profile; FileError when the file cannot be written
template <class Model, class Params, class Tree>
void save_model(const std::filesystem::path& path, const Model& model, const Params& params,
                const GradCon<Tree>& policy, const GradientProfile<scalar_t<Params>>& profile = {},
                const AnyScoreRule& score_rule = {}) {
    std::vector<TensorToWrite> tensors;
    std::map<std::string, std::string> metadata;
    detail::append_model(model, params, policy, profile, score_rule, tensors, metadata);
    metadata["format_version"] = std::to_string(detail::network_version_needed(model, profile, score_rule));
    add_checksum(metadata, tensors);
    replace_file(path, serialize_safetensors(tensors, metadata));
}

/// Reads a file into a model that is given, whose layers must be the file's. Number types may differ. A detector's
/// input, calibration and self-test (detector_file.hpp) are passed over.
/// @param profile becomes the file's, empty if it has none; score_rule: the paper's unless the file has another
/// @throws FileError that names what is wrong; nothing is then changed
template <class Model, class Params, class Tree>
void load_model(const std::filesystem::path& path, const Model& model, Params& params, GradCon<Tree>& policy,
                GradientProfile<scalar_t<Params>>& profile, AnyScoreRule& score_rule) {
    detail::ModelReader reader(path, "gradcon", model_format_version);
    detail::check_network(reader, model);
    Params read = params;
    reader.parameters("", read);
    auto read_policy = detail::read_policy(reader, read.decoder);
    auto scoring = detail::read_scoring<scalar_t<Params>>(reader, read_policy, read.decoder);
    for (const char* of_a_detector : {"input.", "calibration.", "self_test."}) reader.pass_over(of_a_detector);
    reader.refuse_unread();
    params = std::move(read);
    policy = std::move(read_policy);
    profile = std::move(scoring.first);
    score_rule = std::move(scoring.second);
}

/// The same for a detector that scores as in the paper: a profile and a score rule in the file are checked only.
template <class Model, class Params, class Tree>
void load_model(const std::filesystem::path& path, const Model& model, Params& params, GradCon<Tree>& policy) {
    GradientProfile<scalar_t<Params>> profile;
    AnyScoreRule score_rule;
    load_model(path, model, params, policy, profile, score_rule);
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
