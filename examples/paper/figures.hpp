#pragma once

#include "figure.hpp"
#include "mean_auroc.hpp"
#include "study.hpp"

#include <string>
#include <vector>

/// A score's values on the test sets of every class, for each seed: judged[seed][class].
struct Score {
    std::string name;
    std::vector<std::vector<Judged>> judged;
};

/// Histograms of the first class's scores, mean ROC curves, and how training went, from the curves of these
/// experiments.
std::vector<Figure> figures_of(Study& study, const std::vector<Experiment>& experiments,
                               const std::vector<Score>& scores);
