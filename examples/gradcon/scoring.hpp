#pragma once

#include "model.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

struct Scored {
    Sample sample;
    gradcon::Verdict verdict; // its cosines in `statistics`
    gradcon::Scores statistics;
    // of a local model
    std::vector<double> map{};
    std::size_t map_width = 0;
    std::vector<gradcon::Region> regions{};

    std::string error{}; // why it could not be scored
};

/// How many samples were scored, and how many left out.
struct ScoringResult {
    std::size_t scored = 0, left_out = 0;
};

/// Scores all of a source, in its order, some at a time: memory does not grow with their number. A bad file is an
/// error, or with keep_going it is named on standard error and left out.
ScoringResult score_all(const Model& model, Source& source, const Options& options,
                        const std::function<void(Scored&)>& visit);

/// Scores one sample. @throws gradcon::FileError for a bad file, and as the model does
void score_one(const Model& model, Scored& scored);
