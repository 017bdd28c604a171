#pragma once

#include "experiment.hpp"

#include <gradcon/gradcon.hpp>
#include <gradcon/io/parameters.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

/// All statistics of an experiment's held-out and test images, by the finished detector.
struct Scored {
    gradcon::Scores validation, test;
    std::vector<std::uint8_t> anomalous; // for each of test
};

/// f(name, vector) for each of the statistics.
template <class Scores, class F>
void for_each_statistic(Scores& s, F&& f) {
    f("score", s.score);
    f("reconstruction_error", s.reconstruction_error);
    f("cosine", s.cosine);
    f("gradient_norm", s.gradient_norm);
    f("latent_divergence", s.latent_divergence);
    f("mean_cosine", s.mean_cosine);
    f("fisher_norm", s.fisher_norm);
    f("code_distance", s.code_distance);
}

/// Scores with a profile of the training images; kept in `folder`/scores.safetensors for the next run.
inline Scored score(const Detector& detector, const Data& data, const std::filesystem::path& folder,
                    gradcon::Executor& executor) {
    namespace fs = std::filesystem;
    namespace io = gradcon::io;
    const fs::path path = folder / "scores.safetensors", model = folder / "model.safetensors";
    Scored scored{{}, {}, data.anomalous};
    if (fs::exists(path) && fs::last_write_time(path) > fs::last_write_time(model)) {
        const auto file = io::read_safetensors(path);
        for (auto [part, scores] : {std::pair("validation.", &scored.validation), {"test.", &scored.test}}) {
            for_each_statistic(*scores, [&, part = std::string(part)](const char* name, std::vector<double>& values) {
                values = file.values<double>(part + name);
            });
            scores->count = detector.policy.count();
        }
        if (scored.test.samples() == data.anomalous.size()) return scored; // else: of fewer images
    }
    const auto profile = gradcon::fit_profile(detector.model, detector.params, detector.policy, data.train, executor);
    const gradcon::Scorer scorer{detector.model, detector.params, detector.policy, profile};
    scored.validation = score_each(scorer, data.validation, executor);
    scored.test = score_each(scorer, data.test, executor);
    std::vector<io::TensorToWrite> tensors;
    for (const auto& [part, scores] : {std::pair("validation.", &scored.validation), {"test.", &scored.test}})
        for_each_statistic(*scores, [&, part = std::string(part)](const char* name, const std::vector<double>& values) {
            tensors.push_back(io::to_pytorch(part + name, std::span(values)));
        });
    const std::vector<double> anomalous(data.anomalous.begin(), data.anomalous.end());
    tensors.push_back(io::to_pytorch("test.anomalous", std::span(anomalous)));
    io::replace_file(path, io::serialize_safetensors(tensors, {}));
    return scored;
}
