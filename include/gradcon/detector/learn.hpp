#pragma once

#include "gradcon/core/executor.hpp"
#include "gradcon/detector/detector.hpp"
#include "gradcon/detector/training_set.hpp"
#include "gradcon/nn/init.hpp"
#include "gradcon/nn/models.hpp"
#include "gradcon/optim/adam.hpp"
#include "gradcon/training/fit.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// The main job: normal samples in, a detector out.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// How to learn. The defaults are those of the gradcon command.
struct LearnOptions {
    /// Of pictures, as the network takes them: 0 takes those of the first picture, with no side longer than 64 pixels;
    /// channels 1 or 3. Tables ignore these three.
    std::size_t height = 0, width = 0, channels = 0;
    /// The network's layers, see models::cae and models::mlp; empty: default_widths.
    std::vector<std::size_t> widths{};
    std::size_t epochs = 50;     // 1 or more; the one with the least loss of the held-out samples is kept
    double learning_rate = 1e-3; // of Adam, above 0
    /// alpha and beta. alpha is for samples whose values vary as those of MNIST do; see alpha_for.
    GradConOptions constraint{};
    /// Of the calibration, in (0, 1). Without one it is 0.01, or the least that so few samples can keep.
    std::optional<double> false_alarm_rate{};
    std::uint64_t seed = 0; // of the split, the first weights and the order of the samples
    /// Fits the score rule to the scores of held-out normal samples; empty: recommended_rule_for.
    std::function<AnyScoreRule(const Scores& normal)> score_rule{};
    Executor* executor = nullptr; // nullptr: all of the machine's processors. The bits do not depend on it.
    std::map<std::string, std::string> notes{}; // kept with the model, for people
};

/// The mean square of what samples differ by from their mean: what an autoencoder can explain.
/// @param samples N x height x width x channels, one or more
template <class T>
double variance_of(const Tensor<T, 4>& samples) {
    const std::size_t count = samples.shape()[0], size = samples.size() / std::max<std::size_t>(1, count);
    std::vector<double> mean(size);
    for (std::size_t i = 0; i < samples.size(); ++i)
        mean[i % size] += static_cast<double>(samples.data()[i]) / static_cast<double>(count);
    double sum = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double difference = static_cast<double>(samples.data()[i]) - mean[i % size];
        sum += difference * difference;
    }
    return sum / static_cast<double>(samples.size());
}

/// The weight of the alignment for samples of this variance. The loss is in units of the data and the alignment is not,
/// so a fixed alpha rules the objective where the data hardly varies: the network then learns the mean and no more.
/// The classes of MNIST and Fashion-MNIST have variances of .028 to .08 and keep alpha. Below .025 it shrinks with the
/// square, since smaller gradients also turn more easily. Found on pictures of brushed metal (variance .003, 50
/// epochs): a full alpha explained -1 % of the held-out variance, in proportion 14 %, with the square 88 %, none 94 %.
inline double alpha_for(double alpha, double variance) {
    const double share = std::min(1.0, variance / 0.025);
    return alpha * share * share;
}

/// The widths of the encoder's layers that `learn` takes for samples of this shape. Pictures: the paper's 32, 32, 64,
/// 64 channels, as many layers as the picture has room for. Tables: twice the numbers of a sample (16 to 256), then
/// half of them.
/// @param shape 1 x height x width x channels
/// @param first width of the first layers, 0: as above
/// @param depth number of layers, 0: as above
inline std::vector<std::size_t> default_widths(const Shape& shape, std::size_t first = 0, std::size_t depth = 0) {
    std::vector<std::size_t> widths;
    if (shape[1] == 1 && shape[2] == 1) {
        const std::size_t values = shape[3];
        widths.push_back(first != 0 ? first : std::clamp<std::size_t>(2 * values, 16, 256));
        while (widths.size() < (depth != 0 ? depth : 2))
            widths.push_back(
                std::max<std::size_t>(1, std::min(widths.back() / 2, std::max<std::size_t>(2, values / 2))));
        return widths;
    }
    if (depth == 0)
        for (std::size_t side = std::min(shape[1], shape[2]); side > 3 && depth < 4; side = side / 2 + 1) ++depth;
    const std::size_t width = first != 0 ? first : 32;
    for (std::size_t layer = 0; layer < depth; ++layer) widths.push_back(layer < (depth + 1) / 2 ? width : 2 * width);
    return widths;
}

/// An autoencoder for samples of this shape: models::mlp for the rows of a table, models::cae for pictures.
/// @param shape 1 x height x width x channels  @param widths of the encoder's layers; empty: default_widths
inline TrainedModel<float>::Model network_for(const Shape& shape, std::vector<std::size_t> widths = {}) {
    if (widths.empty()) widths = default_widths(shape);
    if (shape[1] == 1 && shape[2] == 1) return models::mlp({.values = shape[3], .widths = std::move(widths)});
    return models::cae({.height = shape[1], .width = shape[2], .channels = shape[3], .widths = std::move(widths)});
}

/// The score rule that docs/results.md recommends, fitted to normal samples. Pictures: code distance and the alignment
/// with the reference. Tables: reconstruction error and code distance, since the alignment misleads there. A network
/// whose codes are too long for a code distance does without.
/// @param normal of a Scorer with a profile, two samples or more  @throws ValueError when statistics are missing
inline AnyScoreRule recommended_rule_for(const Input& input, const Scores& normal) {
    const bool of_rows = std::holds_alternative<TableInput>(input);
    const bool has_codes = !normal[Statistic::code_distance].empty();
    if (has_codes && !of_rows) return recommended_score(normal);
    std::vector<Statistic> statistics{Statistic::reconstruction_error};
    if (has_codes) statistics.push_back(Statistic::code_distance);
    if (!of_rows) statistics.push_back(Statistic::cosine);
    return StandardizedSum::fit(statistics, normal);
}

/// What a training calls after each epoch: one of training/callbacks.hpp, several by `all`, or a function of your own.
/// It is copied: what it finds out is read through a reference that it holds. An empty one is not called.
using OnEpoch = std::function<void(Epoch&)>;

/// `learn` in steps, for programs that save checkpoints or take a training up again:
///
///     gradcon::Learning learning(std::move(set), options);
///     learning.fit(gradcon::io::SaveCheckpoint(file, learning.model(), learning.training()));
///     const gradcon::Detector detector = learning.finish();
template <class T = float>
class Learning {
  public:
    using Model = typename TrainedModel<T>::Model;
    using Params = typename Model::template Params<T>;
    using Policy = GradCon<decltype(Params::decoder)>;
    using Training = gradcon::Training<Params, Policy, Adam<Params>>;

    /// Builds the network and its first weights (He's initialisation).
    /// @throws ValueError for options out of their range, or a false-alarm rate that needs more samples for calibration
    Learning(TrainingSet<T> set, const LearnOptions& options)
        : set_(std::move(set)), options_(options),
          rate_(usable_false_alarm_rate(options_.false_alarm_rate, set_.calibration.shape()[0])),
          model_(network_for(set_.shape(), options_.widths)), training_(begin()) {
        if (options_.executor == nullptr) own_threads_ = std::make_unique<ThreadPool>();
    }

    const Model& model() const { return model_; }
    const TrainingSet<T>& set() const { return set_; }
    const Training& training() const { return training_; }
    /// To load a checkpoint into; see `belongs`.
    Training& training() { return training_; }
    /// The rate that the calibration will have.
    double false_alarm_rate() const { return rate_; }

    /// Did this training begin with these samples, split by this seed? The best state's loss of the held-out samples
    /// is then the same to the last bit. For a training that was loaded; a new one belongs.
    bool belongs() {
        if (training_.best_epoch == 0) return true;
        return training_.order.size() == set_.training.shape()[0] && held_out_loss() == training_.best.total;
    }

    /// Trains until options.epochs epochs are done. @param on_epoch as fit calls it  @throws as fit does
    void fit(const OnEpoch& on_epoch = {}) {
        gradcon::fit(model_, training_, set_.training,
                     {.epochs = options_.epochs, .validation = set_.validation, .executor = &executor()},
                     [&](Epoch& epoch) {
                         if (on_epoch) on_epoch(epoch);
                     });
    }

    /// What is left to do with the best epoch's state: profile, score rule, calibration.
    Detector<T> finish() {
        TrainedModel<T> trained{model_, training_.best_params, training_.best_policy};
        trained.input = set_.input;
        trained.profile = fit_profile(model_, trained.params, trained.policy, set_.training, executor());
        const Scorer scorer{model_, trained.params, trained.policy, trained.profile};
        const Scores held_out = score_each(scorer, set_.validation, executor());
        trained.score_rule =
            options_.score_rule ? options_.score_rule(held_out) : recommended_rule_for(set_.input, held_out);
        if (set_.calibration.shape()[0] > 0)
            trained.calibration =
                Calibration(scores_by(trained.score_rule, score_each(scorer, set_.calibration, executor())), rate_);
        trained.notes = options_.notes;
        trained.notes.insert({{"samples", std::to_string(set_.training.shape()[0])},
                              {"epochs", std::to_string(training_.epochs)},
                              {"best_epoch", std::to_string(training_.best_epoch)},
                              {"explained", std::to_string(explained(held_out))},
                              {"seed", std::to_string(options_.seed)}});
        return Detector<T>(std::move(trained));
    }

  private:
    /// The share of the held-out samples' variance that the network explains; below 0 it is worse than their mean.
    double explained(const Scores& held_out) const {
        double error = 0;
        for (std::size_t i = 0; i < held_out.samples(); ++i)
            error += held_out[i].reconstruction_error() / static_cast<double>(held_out.samples());
        const double variance = variance_of(set_.validation);
        return variance > 0 ? 1 - error / variance : 0;
    }

    Executor& executor() { return options_.executor != nullptr ? *options_.executor : *own_threads_; }

    Training begin() const {
        Rng rng(options_.seed);
        GradConOptions constraint = options_.constraint;
        constraint.alpha = alpha_for(constraint.alpha, variance_of(set_.training));
        Params params = model_.template init<T>(rng);
        scale_to_he(params);
        return {params, Policy{params.decoder, constraint},
                Adam<Params>{params, {.learning_rate = options_.learning_rate}}, rng};
    }

    double held_out_loss() {
        constexpr std::size_t batch = FitOptions<T>{}.batch_size;
        const Batch<T> samples(set_.validation);
        TrainingWorkspace<Model, T> workspace(training_.params);
        double sum = 0;
        for (std::size_t first = 0; first < samples.samples(); first += batch) {
            const std::size_t count = std::min(batch, samples.samples() - first);
            const Losses losses = evaluate(model_, training_.best_params, training_.best_policy,
                                           samples.slice(first, count), workspace, executor());
            sum += static_cast<double>(count) / static_cast<double>(samples.samples()) * losses.total;
        }
        return sum;
    }

    TrainingSet<T> set_;
    LearnOptions options_;
    double rate_;
    Model model_;
    Training training_;
    std::unique_ptr<ThreadPool> own_threads_;
};

/// Learns a detector from samples that are split already.
template <class T>
Detector<T> learn(TrainingSet<T> set, const LearnOptions& options = {}, const OnEpoch& on_epoch = {}) {
    Learning<T> learning(std::move(set), options);
    learning.fit(on_epoch);
    return learning.finish();
}

/// Learns a detector from pictures of normal things: splits them, trains an autoencoder with the GradCon constraint,
/// profiles it, fits a score rule and calibrates the false-alarm rate. The same pictures and seed give the same bits.
/// @param pictures a range of ImageView, 20 or more, of any sizes; all are resized to options.height x width
/// @param on_epoch called as on_epoch(Epoch&) after each epoch; it may print, or stop the training
/// @throws ValueError for too few pictures and for options out of their range, ShapeError for a picture without pixels,
/// DivergenceError when training fails
template <std::ranges::input_range Pictures>
Detector<float> learn(const Pictures& pictures, const LearnOptions& options = {}, const OnEpoch& on_epoch = {}) {
    std::optional<PictureCollection<float>> collection;
    for (const auto& picture : pictures) {
        if (!collection) {
            ImageInput input{.height = options.height, .width = options.width};
            if (options.height == 0 || options.width == 0) input = image_input_like(picture);
            if (options.height != 0) input.height = options.height;
            if (options.width != 0) input.width = options.width;
            const std::size_t channels = options.channels != 0               ? options.channels
                                         : channel_count(picture.order) == 1 ? 1
                                                                             : 3;
            input.order = channels == 1 ? PixelOrder::gray : PixelOrder::rgb;
            collection.emplace(input);
        }
        collection->add(picture);
    }
    if (!collection) detail::check_sample_count(0);
    return learn(collection->split(options.seed), options, on_epoch);
}

/// The same for rows of a table, or windows of a time series.
/// @throws ValueError also for values that are not finite
inline Detector<float> learn(const Table& table, const LearnOptions& options = {}, const OnEpoch& on_epoch = {}) {
    return learn(split_table<float>(table, options.seed), options, on_epoch);
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
