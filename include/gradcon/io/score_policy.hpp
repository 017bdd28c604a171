#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/io/description.hpp"
#include "gradcon/io/parameters.hpp"
#include "gradcon/score_policies.hpp"

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// What scores beyond the paper's have fitted, in a model file:
//     profile.mean.0, profile.weight.0, ...             of each monitored tensor, in the layouts of their weights
//     profile.code_mean, profile.code_whitening         of the codes, F64 and the model's type
//     metadata score_policy                             its name, then an object for each term
//     score_policy.0.means, .deviations, .normal        of each term, F64
namespace gradcon::inline GRADCON_INSTRUCTION_SET::io::detail {

/// One of `names` as its place. @throws ValueError for another word
template <class Names>
std::size_t parse_name(const Description& description, const char* key, const Names& names) {
    const std::string& name = description.at<std::string>(key);
    for (std::size_t i = 0; i < names.size(); ++i)
        if (name == names[i]) return i;
    throw ValueError(message(key, " cannot be ", name));
}

template <class Tree, class Watched, class T>
void append_profile(const GradientProfile<T>& profile, const GradCon<Tree>& policy, const Watched& watched,
                    std::vector<TensorToWrite>& tensors) {
    policy.for_each_monitored(watched, [&](std::size_t i, const auto& tensor) {
        const std::string number = std::to_string(i);
        tensors.push_back(to_pytorch("profile.mean." + number, tensor, std::span<const T>(profile.mean[i])));
        tensors.push_back(to_pytorch("profile.weight." + number, tensor, std::span<const T>(profile.weight[i])));
    });
    tensors.push_back(to_pytorch("profile.code_mean", std::span<const double>(profile.code_mean)));
    tensors.push_back(to_pytorch("profile.code_whitening", std::span<const T>(profile.code_whitening)));
}

/// The file's profile, or an empty one if it has none.
template <class T, class Tree, class Watched>
GradientProfile<T> read_profile(const Safetensors& file, const GradCon<Tree>& policy, const Watched& watched,
                                std::set<std::string>& names_read) {
    GradientProfile<T> profile;
    if (!file.find("profile.code_mean")) return profile;
    policy.for_each_monitored(watched, [&](std::size_t i, const auto& tensor) {
        for (auto [part, to] : {std::pair("mean.", &profile.mean), {"weight.", &profile.weight}}) {
            const std::string name = std::string("profile.") + part + std::to_string(i);
            const auto values = from_pytorch<T>(file, name, tensor);
            to->emplace_back(values.begin(), values.end());
            names_read.insert(name);
        }
    });
    profile.code_mean = read_vector<double>(file, "profile.code_mean", names_read);
    const auto whitening = read_vector<T>(file, "profile.code_whitening", names_read);
    if (whitening.size() / std::max<std::size_t>(1, profile.code_mean.size()) != profile.code_mean.size() ||
        whitening.size() % std::max<std::size_t>(1, profile.code_mean.size()) != 0)
        throw FileError(message(file.path(), ": profile.code_whitening must have the square of ",
                                profile.code_mean.size(), " elements; it has ", whitening.size()));
    profile.code_whitening.assign(whitening.begin(), whitening.end());
    return profile;
}

/// f(term's number, its values by name) for the lists that a policy keeps.
struct ScorePolicyWriter {
    std::vector<Description>& descriptions;
    std::vector<TensorToWrite>& tensors;

    void list(std::size_t term, const char* name, const std::vector<double>& values) const {
        tensors.push_back(
            to_pytorch("score_policy." + std::to_string(term) + "." + name, std::span<const double>(values)));
    }
    void operator()(const StandardizedSum& sum) const {
        for (std::size_t t = 0; t < sum.terms.size(); ++t) {
            const auto& term = sum.terms[t];
            descriptions.push_back(Description()
                                       .with("statistic", statistic_names[static_cast<std::size_t>(term.statistic())])
                                       .with("scale", term.scale()));
            list(t, "means", term.means());
            list(t, "deviations", term.deviations());
        }
    }
    void operator()(const ConformalSum& policy) const {
        (*this)(policy.sum);
        for (std::size_t t = 0; t < policy.normal.size(); ++t) list(t, "normal", policy.normal[t]);
    }
    void operator()(const LogNormDensityScore& policy) const {
        list(0, "means", policy.means);
        list(0, "deviations", policy.deviations);
    }
    template <class Plain>
    void operator()(const Plain&) const {}
};

/// @return what metadata score_policy says
inline std::string append_score_policy(const AnyScorePolicy& policy, std::vector<TensorToWrite>& tensors) {
    std::vector<Description> descriptions{Description().with("type", score_policy_names[policy.index()])};
    std::visit(ScorePolicyWriter{descriptions, tensors}, policy);
    return to_json(descriptions);
}

/// @param list metadata score_policy  @throws FileError, or ValueError for a description that is none
inline AnyScorePolicy read_score_policy(const Safetensors& file, const std::vector<Description>& list,
                                        std::set<std::string>& names_read) {
    if (list.empty()) throw ValueError("score_policy must have a type");
    const auto values = [&](std::size_t term, const char* name) {
        return read_vector<double>(file, "score_policy." + std::to_string(term) + "." + name, names_read);
    };
    const auto standardized_sum = [&] {
        StandardizedSum sum;
        for (std::size_t t = 0; t + 1 < list.size(); ++t) {
            const auto statistic = static_cast<Statistic>(parse_name(list[t + 1], "statistic", statistic_names));
            sum.terms.emplace_back(statistic, values(t, "means"), values(t, "deviations"), list[t + 1].number("scale"));
        }
        if (sum.terms.empty()) throw ValueError("a standardized sum has one term or more");
        return sum;
    };
    const std::size_t type = parse_name(list[0], "type", score_policy_names);
    if (score_policy_names[type] == std::string("standardized_sum")) return standardized_sum();
    if (score_policy_names[type] == std::string("conformal_sum")) {
        ConformalSum policy{standardized_sum(), {}};
        for (std::size_t t = 0; t < policy.sum.terms.size(); ++t)
            if (!std::ranges::is_sorted(policy.normal.emplace_back(values(t, "normal"))))
                throw ValueError(message("score_policy.", t, ".normal must ascend"));
        return policy;
    }
    if (score_policy_names[type] == std::string("log_norm_density")) {
        LogNormDensityScore policy{values(0, "means"), values(0, "deviations")};
        if (policy.means.size() != policy.deviations.size())
            throw ValueError(message("log_norm_density needs as many means as deviations; given: ", policy.means.size(),
                                     " and ", policy.deviations.size()));
        return policy;
    }
    const AnyScorePolicy plain[]{GradConScore{}, ReconstructionScore{}, GradientScore{},
                                 LatentScore{},  CodeDistanceScore{},   FinishedAlignmentScore{}};
    return plain[type];
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::io::detail
