#pragma once

#include "experiment.hpp"
#include "progress.hpp"

#include <gradcon/core/executor.hpp>
#include <gradcon/scoring/scorer.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

/// All statistics of an experiment's held-out and test images, by the finished detector.
struct Scored {
    gradcon::Scores validation, test;
    std::vector<std::uint8_t> anomalous; // for each of test
    bool variational = false;
};

/// Images to score, made when they are needed.
struct Part {
    std::string name;
    std::function<Images()> images;
    std::vector<std::uint8_t> anomalous; // for each image
};

/// f(name, vector) for each of the statistics.
template <class Scores, class F>
void for_each_statistic(Scores& s, F&& f) {
    for (const auto statistic : gradcon::every_statistic) f(gradcon::info(statistic).name, s[statistic]);
}

/// What it takes to score one image of 28 x 28.
struct Cost {
    std::size_t parameters;
    double seconds_alone;     // on one thread
    double images_per_second; // on all threads
};

/// Trains and scores what the tables ask for. All of it is kept in the folder `out`, and what is there already is taken
/// up: each experiment is trained once, whichever tables need it.
class Study {
  public:
    explicit Study(const Options& o) : options(o), sets(o), threads(o.threads) {}

    const Options& options;
    ImageSets sets;
    gradcon::ThreadPool threads;
    Progress progress;

    std::filesystem::path folder(const Experiment& e) const { return std::filesystem::path(options.out) / e.name(); }

    Scored scored(const Experiment& e);

    /// The same of any images: all statistics of each part, kept in the file NAME.safetensors beside the detector.
    std::vector<gradcon::Scores> scores(const Experiment& e, const std::string& name, const std::vector<Part>& parts);

    /// What the experiment's detector makes of images.
    Images reconstruct(const Experiment& e, const Images& images);

    Cost measure(bool variational, std::size_t channels);
};
