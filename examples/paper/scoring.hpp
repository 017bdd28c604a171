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
inline gradcon::Scorer<Model, float> profiled_scorer(const Trained& trained, const Images& train,
                                                     gradcon::Executor& executor) {
    const auto profile = gradcon::fit_profile(trained.model, trained.params, trained.policy, train, executor);
    return {trained.model, trained.params, trained.policy, profile};
}

/// Scores parts of an experiment's images; kept in the file `path` for the next run with the checksum of `model`, a
/// file too, so that they are taken up for that model and these parts only.
/// @param scorer makes the scorer, should there be something to score
template <class MakeScorer>
std::vector<gradcon::Scores> kept_scores(const std::filesystem::path& path, const std::filesystem::path& model,
                                         const std::vector<Part>& parts, MakeScorer&& make_scorer,
                                         gradcon::Executor& executor) {
    namespace io = gradcon::io;
    const std::string checksum = io::read_safetensors(model).metadata().at("checksum");
    std::vector<gradcon::Scores> all(parts.size());
    const auto labels = [](const Part& part) {
        return std::vector<double>(part.anomalous.begin(), part.anomalous.end());
    };
    if (std::filesystem::exists(path)) {
        const auto file = io::read_safetensors(path);
        const auto made_by = file.metadata().find("model");
        bool ours = made_by != file.metadata().end() && made_by->second == checksum;
        for (std::size_t i = 0; ours && i < parts.size(); ++i) {
            const std::string prefix = parts[i].name + ".";
            ours = file.find(prefix + "anomalous") && file.values<double>(prefix + "anomalous") == labels(parts[i]);
            if (!ours) break;
            for_each_statistic(all[i], [&](const char* name, std::vector<double>& values) {
                ours = ours && file.find(prefix + name); // else by an older program that knew fewer
                if (ours) values = file.values<double>(prefix + name);
            });
        }
        if (ours) return all;
    }
    const auto scorer = make_scorer();
    std::vector<io::TensorToWrite> tensors;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string prefix = parts[i].name + ".";
        all[i] = score_each(scorer, parts[i].images(), executor);
        for_each_statistic(all[i], [&](const char* name, const std::vector<double>& values) {
            tensors.push_back(io::to_pytorch(prefix + name, std::span(values)));
        });
        const auto anomalous = labels(parts[i]);
        tensors.push_back(io::to_pytorch(prefix + "anomalous", std::span(anomalous)));
    }
    io::replace_file(path, io::serialize_safetensors(tensors, {{"model", checksum}}));
    return all;
}

/// What the detector makes of images.
inline Images reconstruct(const Trained& trained, const Images& images) {
    const Model& model = trained.model;
    Model::Packed<float> packed;
    model.pack(trained.params, packed);
    gradcon::ScoringWorkspace<Model, float> w;
    const auto h = model.encoder.forward(packed.encoder, gradcon::Batch<float>(images), w.encoder);
    const auto z = model.latent.forward(h, gradcon::Batch<float>{}, w.latent);
    const auto y = model.decoder.forward(packed.decoder, z, w.decoder);
    Images back;
    back.resize({y.shape(0), y.shape(1), y.shape(2), y.shape(3)});
    std::copy_n(y.data(), y.size(), back.data());
    return back;
}
