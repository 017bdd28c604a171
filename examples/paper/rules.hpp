#pragma once

#include "study.hpp"
#include "tables.hpp"

#include <gradcon/scoring/score_rules.hpp>

#include <string>
#include <vector>

/// A way to combine statistics that was fixed before any anomaly was looked at: fitted on inlier validation images
/// only.
struct Rule {
    std::string name;
    std::vector<gradcon::Statistic> terms;
    bool conformal = false; // Fisher's combination of p-values; else the sum on a common scale
};

/// What is compared, among them the rules that the literature has.
inline const std::vector<Rule>& rules() {
    using enum gradcon::Statistic;
    static const std::vector<Rule> all{
        {"reconstruction", {reconstruction_error}},
        {"gradient", {cosine}},
        {"finished alignment", {mean_cosine}},
        {"Fisher norm", {fisher_norm}},
        {"code distance", {code_distance}},
        {"reconstruction + Fisher norm", {reconstruction_error, fisher_norm}},
        {"Fisher norm + finished alignment", {fisher_norm, mean_cosine}},
        {"p-values of reconstruction, both alignments, Fisher norm",
         {reconstruction_error, cosine, mean_cosine, fisher_norm},
         true},
        {"code distance + gradient", {code_distance, cosine}},
        {"code distance + finished alignment", {code_distance, mean_cosine}},
        {"code distance + reconstruction + gradient", {code_distance, reconstruction_error, cosine}},
        {"code distance + reconstruction + finished alignment", {code_distance, reconstruction_error, mean_cosine}},
        {"code distance + Fisher norm + gradient", {code_distance, fisher_norm, cosine}},
        {"code distance + Fisher norm + finished alignment", {code_distance, fisher_norm, mean_cosine}},
        {"all five", {code_distance, reconstruction_error, cosine, mean_cosine, fisher_norm}},
        {"p-values of code distance and gradient", {code_distance, cosine}, true},
        {"p-values of all five", {code_distance, reconstruction_error, cosine, mean_cosine, fisher_norm}, true}};
    return all;
}

inline std::vector<double> scores_by(const Rule& rule, const Scored& scored) {
    if (rule.conformal)
        return gradcon::scores_by(gradcon::ConformalSum::fit(rule.terms, scored.validation), scored.test);
    return gradcon::scores_by(gradcon::StandardizedSum::fit(rule.terms, scored.validation), scored.test);
}

/// One rule for all image sets: chosen on the even classes, judged on the odd ones against GradCon.
std::vector<Section> by_rule(Study& study);

std::vector<Experiment> of_all_sets(const Options& options);
