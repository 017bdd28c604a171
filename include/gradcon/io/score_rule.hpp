#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/io/model_reader.hpp"
#include "gradcon/io/parameters.hpp"
#include "gradcon/scoring/profile.hpp"
#include "gradcon/scoring/score_rules.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// What scores beyond the paper's have fitted, in a model file:
//     profile.mean.0, profile.weight.0, ...             of each monitored tensor, in the layouts of their weights
//     profile.code_mean, profile.code_whitening         of the codes, if it has them; F64 and the model's type
//     metadata score_policy                             its name, then an object for each term
//     score_policy.0.means, .deviations, .normal        of each term, F64
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io::detail {

/// @throws ShapeError when the profile is of another network
template <class Tree, class T>
void append_profile(const GradientProfile<T>& profile, const GradCon<Tree>& policy, const Tree& decoder,
                    std::vector<TensorToWrite>& tensors) {
    check_profile(profile, policy, decoder);
    policy.for_each_monitored(decoder, [&](std::size_t i, const auto& tensor) {
        const std::string number = std::to_string(i);
        tensors.push_back(to_pytorch("profile.mean." + number, tensor, std::span<const T>(profile.mean[i])));
        tensors.push_back(to_pytorch("profile.weight." + number, tensor, std::span<const T>(profile.weight[i])));
    });
    if (!profile.has_codes()) return;
    tensors.push_back(to_pytorch("profile.code_mean", std::span<const double>(profile.code_mean)));
    tensors.push_back(to_pytorch("profile.code_whitening", std::span<const T>(profile.code_whitening)));
}

/// The file's profile, or an empty one if it has none.
template <class T, class Tree>
GradientProfile<T> read_profile(ModelReader& reader, const GradCon<Tree>& policy, const Tree& decoder) {
    GradientProfile<T> profile;
    if (!reader.has_tensor("profile.mean.0")) return profile;
    policy.for_each_monitored(decoder, [&](std::size_t i, const auto& tensor) {
        const auto read = [&](const std::string& name, std::vector<AlignedVector<T>>& to) {
            const auto values = reader.tensor<T>(name + std::to_string(i), tensor);
            to.emplace_back(values.begin(), values.end());
        };
        read("profile.mean.", profile.mean);
        read("profile.weight.", profile.weight);
    });
    if (reader.has_tensor("profile.code_mean")) {
        profile.code_mean = reader.list<double>("profile.code_mean");
        const auto whitening = reader.list<T>("profile.code_whitening");
        profile.code_whitening.assign(whitening.begin(), whitening.end());
    }
    reader.at("profile", [&] { check_profile(profile, policy, decoder); });
    return profile;
}

/// Whether the lists that a rule keeps are whole. @throws ValueError that says what is wrong
struct ScoreRuleCheck {
    static void require(bool met, const char* what) {
        if (!met) throw ValueError(message("this score rule needs ", what));
    }
    void operator()(const StandardizedSum& sum) const {
        require(!sum.terms.empty() && sum.terms.size() < statistic_table.size(), "one term or more, at most 7");
    }
    void operator()(const ConformalSum& rule) const {
        (*this)(rule.sum);
        require(rule.normal.size() == rule.sum.terms.size(), "the normal values of each term");
        for (const auto& normal : rule.normal)
            require(!normal.empty() && std::ranges::is_sorted(normal), "normal values that ascend, one or more");
    }
    template <class Plain>
    void operator()(const Plain&) const {}
};

/// @throws ValueError when the rule is not whole, or needs what the model does not have
inline void check_score_rule(const AnyScoreRule& rule, const Available& model) {
    std::visit(ScoreRuleCheck{}, rule);
    check(rule, model);
}

/// Writes what a rule keeps.
struct ScoreRuleWriter {
    std::vector<Description>& descriptions;
    std::vector<TensorToWrite>& tensors;

    void list(std::size_t term, const char* name, const std::vector<double>& values) const {
        tensors.push_back(
            to_pytorch("score_policy." + std::to_string(term) + "." + name, std::span<const double>(values)));
    }
    void operator()(const StandardizedSum& sum) const {
        for (std::size_t t = 0; t < sum.terms.size(); ++t) {
            const auto& term = sum.terms[t];
            descriptions.push_back(
                Description().with("statistic", info(term.statistic()).name).with("scale", term.scale()));
            list(t, "means", term.means());
            list(t, "deviations", term.deviations());
        }
    }
    void operator()(const ConformalSum& rule) const {
        (*this)(rule.sum);
        for (std::size_t t = 0; t < rule.normal.size(); ++t) list(t, "normal", rule.normal[t]);
    }
    void operator()(const LogNormDensityScore& rule) const {
        list(0, "means", rule.means);
        list(0, "deviations", rule.deviations);
    }
    template <class Plain>
    void operator()(const Plain&) const {}
};

/// @return what metadata score_policy says
inline std::string append_score_rule(const AnyScoreRule& rule, std::vector<TensorToWrite>& tensors) {
    std::vector<Description> descriptions{Description().with("type", score_rule_names[rule.index()])};
    std::visit(ScoreRuleWriter{descriptions, tensors}, rule);
    return to_json(descriptions);
}

/// What a rule keeps, from the file. @throws FileError, or ValueError for a description that is none
struct ScoreRuleReader {
    ModelReader& reader;
    std::vector<Description>& descriptions; // the type, then the terms

    std::vector<double> list(std::size_t term, const char* name) const {
        return reader.list<double>("score_policy." + std::to_string(term) + "." + name);
    }
    void no_terms() const {
        if (descriptions.size() > 1) throw ValueError("has terms, which this type has not");
    }
    void operator()(StandardizedSum& sum) const {
        for (std::size_t t = 0; t + 1 < descriptions.size(); ++t) {
            Description& term = descriptions[t + 1];
            const auto statistic = static_cast<Statistic>(term.take_name("statistic", statistic_names));
            sum.terms.emplace_back(statistic, list(t, "means"), list(t, "deviations"), term.take_number("scale"));
            term.refuse_rest();
        }
    }
    void operator()(ConformalSum& rule) const {
        (*this)(rule.sum);
        for (std::size_t t = 0; t < rule.sum.terms.size(); ++t) rule.normal.push_back(list(t, "normal"));
    }
    void operator()(LogNormDensityScore& rule) const {
        no_terms();
        rule = {list(0, "means"), list(0, "deviations")};
    }
    template <class Plain>
    void operator()(Plain&) const {
        no_terms();
    }
};

/// The file's score rule, or the paper's if it has none. @param model what the rule may need
inline AnyScoreRule read_score_rule(ModelReader& reader, const Available& model) {
    AnyScoreRule rule;
    if (!reader.has_metadata("score_policy")) return rule;
    auto descriptions = reader.descriptions("score_policy");
    reader.at("metadata score_policy", [&] {
        if (descriptions.empty()) throw ValueError("must have a type");
        const std::size_t type = descriptions[0].take_name("type", score_rule_names);
        descriptions[0].refuse_rest();
        [&]<std::size_t... I>(std::index_sequence<I...>) { ((I == type ? void(rule.emplace<I>()) : void()), ...); }
        (std::make_index_sequence<score_rule_names.size()>{});
        std::visit(ScoreRuleReader{reader, descriptions}, rule);
        check_score_rule(rule, model);
    });
    return rule;
}

} // namespace io::detail
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
