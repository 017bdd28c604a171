#pragma once

#include "curve.hpp"
#include "experiment.hpp"
#include "network.hpp"
#include "progress.hpp"

#include <gradcon/gradcon.hpp>
#include <gradcon/io/checkpoint.hpp>

#include <chrono>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

inline std::vector<double> auroc_of_losses(const gradcon::Scores& scores, const std::vector<std::uint8_t>& anomalous) {
    std::vector<double> gradient(scores.samples());
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = scores.gradient(i);
    return {gradcon::auroc(scores.reconstruction_error(), anomalous), gradcon::auroc(gradient, anomalous),
            gradcon::auroc(scores.score(), anomalous)};
}

/// Does a training give back no more than one grey value? With PyTorch's initialisation, which the paper's network has,
/// all rectifiers of a layer can die in the first steps, and nothing moves from then on.
/// @param error on held-out images
inline bool is_dead(double error, const Images& held_out) {
    const auto count = static_cast<double>(held_out.size());
    double sum = 0, squares = 0;
    for (const float value : held_out) {
        sum += double{value};
        squares += double{value} * double{value};
    }
    return error > 0.9 * (squares / count - sum / count * (sum / count));
}

/// Trains until `epochs` are done, or takes up what an earlier run left in `folder`: model.safetensors (the state of
/// the best epoch), checkpoint.safetensors, curve.csv. Killed at any moment and run again, it ends in the same bits. A
/// training that is dead after five epochs (if these are 300 steps or more) begins anew, five times at most, with the
/// larger initial weights of He et al.; restarts.txt has a line for each.
/// @throws std::runtime_error when the earlier run trained on another number of images
inline Trained train(const Experiment& e, const Data& data, const std::filesystem::path& folder, std::size_t epochs,
                     gradcon::Executor& executor, Progress& progress) {
    using Clock = std::chrono::steady_clock;
    std::filesystem::create_directories(folder);
    const auto checkpoint = folder / "checkpoint.safetensors", file = folder / "model.safetensors";
    const std::size_t samples = data.train.shape()[0];
    const Model model = make_model(e.variational, data.train.shape()[3]);
    gradcon::Rng rng(e.seed);
    const auto begin = [&](bool larger) {
        auto params = model.init(rng);
        if (larger) gradcon::scale_to_he(params);
        const gradcon::GradCon policy{params.decoder, {.alpha = e.gradient_term ? 0.03 : 0.0, .beta = 0.12}};
        return gradcon::Training{params, policy, gradcon::Adam{params, {.learning_rate = 1e-3}}, rng};
    };
    auto training = begin(false);
    if (std::filesystem::exists(checkpoint)) gradcon::io::load_checkpoint(checkpoint, model, training);
    if (training.epochs > 0 && training.order.size() != samples)
        throw std::runtime_error("it was trained on " + std::to_string(training.order.size()) + " images, now " +
                                 std::to_string(samples) + " are given: these need another --out");
    const std::size_t done = training.epochs;
    progress.skip(std::min(done, epochs) * samples);
    progress.start();

    Curve curve(folder / "curve.csv");
    curve.cut(done);
    const gradcon::Batch<float> held_out(data.validation);
    gradcon::TrainingWorkspace<Model, float> workspace(training.params);
    Clock::time_point saved = Clock::now();
    Clock::duration saving{};
    const auto on_epoch = [&](const gradcon::Epoch& epoch) {
        std::ostringstream row;
        row << epoch.number << ',' << epoch.training.total << ',' << epoch.training.alignment << ','
            << epoch.validation.total << ',' << epoch.validation.alignment;
        gradcon::evaluate(model, training.params, training.policy,
                          held_out.slice(0, std::min<std::size_t>(64, held_out.samples())), workspace, executor);
        for (const auto& a : training.policy.alignments(workspace.reconstruction_gradient)) row << ',' << a.cosine;
        if (epoch.number % 10 == 0 || epoch.number == epochs) {
            const gradcon::Scorer scorer{model, training.params, training.policy};
            for (const double area : auroc_of_losses(score_each(scorer, data.test, executor), data.anomalous))
                row << ',' << area;
        } else row << ",,,";
        curve.add(row.str());
        gradcon::Epoch of_all = epoch; // of the trial's five, too
        of_all.epochs = epochs;
        progress.epoch(e.name(), of_all, samples);
        const auto now = Clock::now();
        if (epoch.number < epochs && now - saved < 20 * saving) return; // a twentieth of the time, no more
        curve.write();
        gradcon::io::save_checkpoint(checkpoint, model, training);
        saved = Clock::now();
        saving = saved - now;
    };
    const auto until = [&](std::size_t last) {
        gradcon::fit(model, training, data.train, {.epochs = last, .validation = held_out, .executor = &executor},
                     on_epoch);
    };
    constexpr std::size_t trial = 5, most_restarts = 5;
    Lines restarts(folder / "restarts.txt"); // a line names the random state, so that a kill does not count twice
    const bool tells = trial * ((samples + 63) / 64) >= 300; // steps; in fewer, the living have not moved either
    while (tells && epochs > trial && training.epochs <= trial) {
        until(trial);
        rng = training.rng;
        if (!is_dead(training.best.reconstruction, data.validation) ||
            !restarts.add(std::to_string(gradcon::Rng(rng)()), most_restarts))
            break;
        training = begin(true);
        curve.cut(0);
    }
    until(epochs);
    // Scores are kept for as long as the model file does not change, so it is replaced only by another one.
    const auto fresh = folder / "model.new.safetensors";
    gradcon::io::save_model(fresh, model, training.best_params, training.best_policy);
    if (!std::filesystem::exists(file) || gradcon::io::read_file(fresh) != gradcon::io::read_file(file))
        std::filesystem::rename(fresh, file);
    else std::filesystem::remove(fresh);
    return {model, training.best_params, training.best_policy};
}
