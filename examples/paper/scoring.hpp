#pragma once

#include "experiment.hpp"
#include "network.hpp"
#include "study.hpp"

#include <gradcon/gradcon.hpp>
#include <gradcon/io/parameters.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

/// A scorer that gives all statistics, with a profile of the training images.
inline gradcon::Scorer<Model, float> profiled_scorer(const Detector& detector, const Images& train,
                                                     gradcon::Executor& executor) {
    const auto profile = gradcon::fit_profile(detector.model, detector.params, detector.policy, train, executor);
    return {detector.model, detector.params, detector.policy, profile};
}

/// The scores of held-out and test images; kept in `folder`/scores.safetensors for the next run, with the model's
/// checksum, so that they are taken up for that model and those images only.
inline Scored score(const Detector& detector, const Data& data, const std::filesystem::path& folder,
                    gradcon::Executor& executor) {
    namespace io = gradcon::io;
    const auto path = folder / "scores.safetensors";
    const std::string model = io::read_safetensors(folder / "model.safetensors").metadata().at("checksum");
    Scored scored{{}, {}, data.anomalous, detector.model.latent.is_gaussian()};
    if (std::filesystem::exists(path)) {
        const auto file = io::read_safetensors(path);
        for (auto [part, scores] : {std::pair("validation.", &scored.validation), {"test.", &scored.test}}) {
            for_each_statistic(*scores, [&, part = std::string(part)](const char* name, std::vector<double>& values) {
                values = file.values<double>(part + name);
            });
            scores->count = detector.policy.count();
        }
        const auto made_by = file.metadata().find("model");
        if (made_by != file.metadata().end() && made_by->second == model &&
            scored.validation.samples() == data.validation.shape()[0] && scored.test.samples() == data.anomalous.size())
            return scored;
    }
    const auto scorer = profiled_scorer(detector, data.train, executor);
    scored.validation = score_each(scorer, data.validation, executor);
    scored.test = score_each(scorer, data.test, executor);
    std::vector<io::TensorToWrite> tensors;
    for (const auto& [part, scores] : {std::pair("validation.", &scored.validation), {"test.", &scored.test}})
        for_each_statistic(*scores, [&, part = std::string(part)](const char* name, const std::vector<double>& values) {
            tensors.push_back(io::to_pytorch(part + name, std::span(values)));
        });
    const std::vector<double> anomalous(data.anomalous.begin(), data.anomalous.end());
    tensors.push_back(io::to_pytorch("test.anomalous", std::span(anomalous)));
    io::replace_file(path, io::serialize_safetensors(tensors, {{"model", model}}));
    return scored;
}

/// What the detector makes of images.
inline Images reconstruct(const Detector& detector, const Images& images) {
    const Model& model = detector.model;
    Model::Packed<float> packed;
    model.pack(detector.params, packed);
    gradcon::ScoringWorkspace<Model, float> w;
    const auto h = model.encoder.forward(packed.encoder, gradcon::Batch<float>(images), w.encoder);
    const auto z = model.latent.forward(h, gradcon::Batch<float>{}, w.latent);
    const auto y = model.decoder.forward(packed.decoder, z, w.decoder);
    Images back;
    back.resize({y.shape(0), y.shape(1), y.shape(2), y.shape(3)});
    std::copy_n(y.data(), y.size(), back.data());
    return back;
}
