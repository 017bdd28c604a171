#pragma once

#include "options.hpp"

#include <gradcon/detector/detector.hpp>

#include <cstddef>
#include <functional>
#include <string>

using Detector = gradcon::Detector<float>;

/// The model file, with the threshold or the rate that the options give instead of its own.
Detector load_detector(const Options& options);

/// All of the model file, also of one that does not say what it is fed with.
gradcon::TrainedModel<float> load_model(const std::string& file);
void save_model(const std::string& file, const gradcon::TrainedModel<float>& trained);

/// Does the detector take such samples? @throws gradcon::FileError when the input is of the other kind, or its columns
/// are others than the model's
void check_input(const Detector& detector, const Source& source, const std::string& input);

struct Scored {
    Sample sample;
    gradcon::Verdict verdict; // its cosines in `statistics`
    gradcon::Scores statistics;
    std::string error; // why it could not be scored
};

/// How many samples were scored, and how many left out.
struct ScoringResult {
    std::size_t scored = 0, left_out = 0;
};

/// Scores all of a source, in its order, some at a time: memory does not grow with their number. A bad file is an
/// error, or with keep_going it is named on standard error and left out.
ScoringResult score_all(const Detector& detector, Source& source, const Options& options,
                        const std::function<void(Scored&)>& visit);

/// Input options as this model's tables need them: its window and stride.
InputOptions input_options(const Options& options, const Detector& detector);
