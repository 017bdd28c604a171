#pragma once

#include "sample.hpp"

#include <gradcon/constraint/gradcon.hpp>
#include <gradcon/features/patches.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// A wrong word on the command line: exit status 2.
struct BadUse {
    std::string what;
};

/// Of a local model.
struct FeatureOptions {
    std::string of;                                       // "patches", or a network's file; empty: as pictures are
    std::vector<std::string> layers;                      // of the network
    std::vector<float> mean{0, 0, 0}, deviation{1, 1, 1}; // of its input
    bool blue_first = false;                              // likewise
    gradcon::PatchOptions patches;
    std::optional<std::size_t> margin, locations;
    std::optional<double> smoothing, highest_share;
    std::string area;   // a picture that is not black where to look
    bool whole = false; // no local model
};

/// All that the commands may be told; each looks at its own.
struct Options {
    std::vector<std::string> inputs;
    InputOptions input;
    std::string model = "model.safetensors", out, report, json, checkpoint;
    std::string size, score = "recommended", format = "table", normal_label, abnormal;
    std::size_t channels = 0, width = 0, depth = 0, epochs = 0 /* as the kind of model has it */, threads = 0;
    double alpha = gradcon::GradConOptions{}.alpha;
    std::uint64_t seed = 0;
    std::optional<double> false_alarm_rate, threshold;
    FeatureOptions features;
    std::string network, maps;
    bool resume = false, keep_going = false, fail_on_anomaly = false, drift = false;
};

/// Each returns the exit status: 0, or 1 when anomalies were found and that was asked for.
int train(const Options& options);
int calibrate(const Options& options);
int score(const Options& options);
int evaluate(const Options& options);
int explain(const Options& options);
int info(const Options& options);
int selftest(const Options& options);
