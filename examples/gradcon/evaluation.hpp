#pragma once

#include "scoring.hpp"

#include <gradcon/evaluation/intervals.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// A folder of pictures, a file of images or a table. Without a class of its own its labels say which sample is normal.
struct LabelledInput {
    std::string path;
    std::optional<bool> anomalous;
};

/// How well one score rule tells the samples apart.
struct RuleResult {
    std::string name;
    std::vector<double> scores; // of all samples; infinity for one that is not finite
    gradcon::Interval auroc;
    gradcon::Confusion at; // its threshold, and what that decides
    bool chosen_here;      // the threshold, on the evaluated normal samples themselves
};

/// All that is kept of the samples, and what comes of it.
struct Evaluation {
    std::vector<LabelledInput> inputs;
    std::vector<std::string> names;
    std::vector<std::uint8_t> anomalous; // 1 for an abnormal sample
    gradcon::Scores statistics;
    std::size_t left_out = 0, normals = 0, abnormals = 0;
    double rate = 0;               // of false alarms, that thresholds are chosen for
    std::vector<RuleResult> rules; // the model's own first
};

/// Wilson's interval of a share, `part` of `whole`, with 95 %.
std::pair<double, double> share_interval(std::size_t part, std::size_t whole);

/// Some of the samples once more, pictures not yet loaded.
std::map<std::string, Sample> read_again(const Evaluation& evaluation, std::set<std::string> names,
                                         const Options& options, const Detector& detector);
