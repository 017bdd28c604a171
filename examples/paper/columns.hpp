#pragma once

#include "rules.hpp"
#include "study.hpp"

#include <gradcon/scoring/score_rules.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

/// A score under its name in every table and figure: one value for each test image, higher is more anomalous.
struct Column {
    std::string name;
    std::vector<double> scores;
};

/// The terms of the loss as scores.
inline std::vector<Column> losses(const Scored& scored) {
    std::vector<double> gradient(scored.test.samples());
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = scored.test.gradient(i);
    std::vector<Column> all{{"reconstruction", scored.test.reconstruction_error()}};
    if (scored.variational) all.push_back({"latent", scored.test[gradcon::Statistic::latent_divergence]});
    all.push_back({"gradient", std::move(gradient)});
    return all;
}

/// All scores that are compared. What must be fitted is fitted on scored.validation.
inline std::vector<Column> columns(const Scored& scored) {
    std::vector<Column> all = losses(scored);
    all.push_back({"GradCon", scored.test.score()});
    const auto density = gradcon::LogNormDensityScore::fit(scored.validation);
    all.push_back({"log-norm density", gradcon::scores_by(density, scored.test)});
    for (const char* name : {"Fisher norm", "finished alignment", "code distance"})
        all.push_back({name, scores_by(*std::ranges::find(rules(), name, &Rule::name), scored)});
    all.push_back({"recommended", gradcon::scores_by(gradcon::recommended_score(scored.validation), scored.test)});
    return all;
}
