#pragma once

#include "experiment.hpp"
#include "progress.hpp"

#include <gradcon/gradcon.hpp>
#include <gradcon/io/checkpoint.hpp>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

/// A row for each epoch: losses, the decoder layers' mean alignment on held-out images, and every tenth epoch the
/// AUROCs of reconstruction, gradient and GradCon on the test set.
class Curve {
  public:
    explicit Curve(std::filesystem::path path) : path_(std::move(path)) {
        std::ifstream file(path_);
        std::string line;
        std::getline(file, line);
        while (std::getline(file, line)) rows_.push_back(line);
    }

    /// Forgets what came after a checkpoint.
    void cut(std::size_t epochs) { rows_.resize(std::min(rows_.size(), epochs)); }
    void add(const std::string& row) { rows_.push_back(row); }

    void write() const {
        std::string text = "epoch,training_loss,training_alignment,validation_loss,validation_alignment,cosine_1,"
                           "cosine_2,cosine_3,cosine_4,auroc_reconstruction,auroc_gradient,auroc_gradcon\n";
        for (const std::string& row : rows_) text += row + "\n";
        gradcon::io::replace_file(path_, std::as_bytes(std::span(text)));
    }

  private:
    std::filesystem::path path_;
    std::vector<std::string> rows_;
};

inline std::vector<double> auroc_of_losses(const gradcon::Scores& scores, const std::vector<std::uint8_t>& anomalous) {
    std::vector<double> gradient(scores.score.size());
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = scores.gradient(i);
    return {gradcon::auroc(scores.reconstruction_error, anomalous), gradcon::auroc(gradient, anomalous),
            gradcon::auroc(scores.score, anomalous)};
}

/// Trains until `epochs` are done, or takes up what an earlier run left in `folder`: model.safetensors (the state of
/// the best epoch), checkpoint.safetensors, curve.csv. Killed at any moment and run again, it ends in the same bits.
inline Detector train(const Experiment& e, const Data& data, const std::filesystem::path& folder, std::size_t epochs,
                      gradcon::Executor& executor, Progress& progress) {
    std::filesystem::create_directories(folder);
    const auto checkpoint = folder / "checkpoint.safetensors", file = folder / "model.safetensors";
    const Model model = make_model(e, data.train.shape()[3]);
    gradcon::Rng rng(e.seed);
    const auto params = model.init<float>(rng);
    const gradcon::GradCon policy{params.decoder, {.alpha = e.gradient_term ? 0.03 : 0.0, .beta = 0.12}};
    gradcon::Training training{params, policy, gradcon::Adam{params, {.learning_rate = 1e-3}}, rng};
    if (std::filesystem::exists(checkpoint)) gradcon::io::load_checkpoint(checkpoint, model, training);
    if (training.epochs >= epochs && std::filesystem::exists(file)) return gradcon::io::load_model<float>(file);

    Curve curve(folder / "curve.csv");
    curve.cut(training.epochs);
    const std::size_t samples = data.train.shape()[0];
    progress.skip(training.epochs * samples);
    const gradcon::Batch<float> held_out(data.validation);
    gradcon::TrainingWorkspace<Model, float> workspace(params);
    auto saved = std::chrono::steady_clock::now();
    gradcon::fit(model, training, data.train, {.epochs = epochs, .validation = held_out, .executor = &executor},
                 [&](const gradcon::Epoch& epoch) {
                     std::ostringstream row;
                     row << epoch.number << ',' << epoch.training.total << ',' << epoch.training.alignment << ','
                         << epoch.validation.total << ',' << epoch.validation.alignment;
                     gradcon::evaluate<Model, float>(model, training.params, training.policy,
                                                     held_out.slice(0, std::min<std::size_t>(64, held_out.samples())),
                                                     workspace, executor);
                     for (const auto& a : training.policy.alignments(workspace.reconstruction_gradient.decoder))
                         row << ',' << a.cosine;
                     if (epoch.number % 10 == 0 || epoch.number == epochs) {
                         const gradcon::Scorer scorer{model, training.params, training.policy};
                         for (const double area :
                              auroc_of_losses(score_each(scorer, data.test, executor), data.anomalous))
                             row << ',' << area;
                     } else row << ",,,";
                     curve.add(row.str());
                     progress.epoch(e.name(), epoch, samples);
                     const auto now = std::chrono::steady_clock::now();
                     if (epoch.number < epochs && now - saved < std::chrono::seconds(5)) return;
                     curve.write();
                     gradcon::io::save_checkpoint(checkpoint, model, training);
                     saved = now;
                 });
    gradcon::io::save_model(file, model, training.best_params, training.best_policy);
    return {model, training.best_params, training.best_policy};
}
