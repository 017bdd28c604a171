#include "options.hpp"
#include "progress.hpp"
#include "scoring.hpp"
#include "training_set.hpp"

#include <gradcon/gradcon.hpp>
#include <gradcon/io/checkpoint.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

using gradcon::FileError;
using gradcon::message;

namespace {

using Trained = gradcon::TrainedModel<float>;
using Model = Trained::Model;

/// Ctrl-C was pressed.
std::atomic<bool> interrupted = false;

struct Interrupted {};

void stop_if_interrupted() {
    if (interrupted) throw Interrupted{};
}

/// Lends a pool's threads until Ctrl-C is pressed: fit then undoes the epoch that has begun.
class InterruptibleExecutor final : public gradcon::Executor {
  public:
    explicit InterruptibleExecutor(gradcon::ThreadPool& threads) : threads_(threads) {}
    std::size_t workers() const override { return threads_.workers(); }
    void run(std::size_t count, gradcon::TaskRef task) override {
        stop_if_interrupted();
        threads_.run(count, task);
    }

  private:
    gradcon::ThreadPool& threads_;
};

/// The paper's widths for pictures, 32, 32, 64, 64, of as many layers as the picture has room for; for rows twice their
/// numbers and then half as many.
Model make_model(const Options& options, const gradcon::Shape& shape) {
    if (shape[1] == 1 && shape[2] == 1) {
        const std::size_t values = shape[3];
        const std::size_t first = options.width != 0 ? options.width : std::clamp<std::size_t>(2 * values, 16, 256);
        std::vector<std::size_t> widths{first};
        for (std::size_t layer = 1; layer < (options.depth != 0 ? options.depth : 2); ++layer)
            widths.push_back(
                std::max<std::size_t>(1, std::min(widths.back() / 2, std::max<std::size_t>(2, values / 2))));
        return gradcon::models::mlp({.values = values, .widths = widths});
    }
    const std::size_t width = options.width != 0 ? options.width : 32;
    std::size_t depth = options.depth;
    if (depth == 0)
        for (std::size_t side = std::min(shape[1], shape[2]); side > 3 && depth < 4; side = side / 2 + 1) ++depth;
    std::vector<std::size_t> widths;
    for (std::size_t layer = 0; layer < depth; ++layer) widths.push_back(layer < (depth + 1) / 2 ? width : 2 * width);
    return gradcon::models::cae({.height = shape[1], .width = shape[2], .channels = shape[3], .widths = widths});
}

/// The score rule of that name, fitted on normal samples. Of rows the recommended one has the error in the place of
/// the alignment, which misleads there (docs/results.md).
gradcon::AnyScoreRule make_score_rule(const std::string& name, const gradcon::Scores& normal, bool of_rows) {
    if (name == "recommended") {
        using gradcon::Statistic;
        const bool has_codes = !normal.code_distance.empty(); // none where they are longer than a profile keeps
        if (has_codes && !of_rows) return gradcon::recommended_score(normal);
        std::vector<Statistic> statistics{Statistic::reconstruction_error};
        if (has_codes) statistics.push_back(Statistic::code_distance);
        if (!of_rows) statistics.push_back(Statistic::cosine);
        return gradcon::StandardizedSum::fit(statistics, normal);
    }
    if (name == "gradcon") return gradcon::GradConScore{};
    if (name == "reconstruction") return gradcon::ReconstructionScore{};
    if (name == "gradient") return gradcon::GradientScore{};
    if (name == "code_distance") return gradcon::CodeDistanceScore{};
    if (name == "finished_alignment") return gradcon::FinishedAlignmentScore{};
    if (name == "log_norm_density") return gradcon::LogNormDensityScore::fit(normal);
    throw BadUse{"--score cannot be " + name};
}

/// The rate that was asked for, or 0.01, or what so few samples can keep.
double usable_rate(const Options& options, std::size_t samples) {
    const double wanted = options.false_alarm_rate.value_or(0.01);
    const std::size_t needed = gradcon::samples_needed(wanted);
    if (samples >= needed) return wanted;
    if (options.false_alarm_rate)
        throw FileError(message(options.inputs.front(), ": a false-alarm rate of ", wanted, " needs ", needed,
                                " normal samples to calibrate with; there are ", samples));
    const double least = 1.000001 / static_cast<double>(samples + 1);
    std::fprintf(stderr, "with %zu samples to calibrate with the false-alarm rate is %.3g; %.3g needs %zu\n", samples,
                 least, wanted, needed);
    return least;
}

/// J of the held-out samples, as fit computes it.
template <class Training>
double held_out_loss(const Model& model, const Training& training, const TrainingSet::Samples& held_out,
                     gradcon::Executor& executor) {
    constexpr std::size_t batch = gradcon::FitOptions<float>{}.batch_size;
    const gradcon::Batch<float> samples(held_out);
    gradcon::TrainingWorkspace<Model, float> workspace(training.params);
    double sum = 0;
    for (std::size_t first = 0; first < samples.samples(); first += batch) {
        const std::size_t count = std::min(batch, samples.samples() - first);
        const auto losses = gradcon::evaluate<Model, float>(model, training.best_params, training.best_policy,
                                                            samples.slice(first, count), workspace, executor);
        sum += static_cast<double>(count) / static_cast<double>(samples.samples()) * losses.total;
    }
    return sum;
}

/// Takes up the training of a checkpoint. @throws FileError when there is none, or it is of other samples
template <class Training>
void resume(const std::string& checkpoint, const Model& model, Training& training, const TrainingSet& set,
            gradcon::Executor& executor) {
    if (!std::filesystem::exists(checkpoint))
        throw FileError(checkpoint + ": no such file, so there is no training to go on with");
    gradcon::io::load_checkpoint(checkpoint, model, training);
    // The same samples, split by the same seed, have the same loss to the last bit.
    if (training.best_epoch > 0 && (training.order.size() != set.train.shape()[0] ||
                                    held_out_loss(model, training, set.validation, executor) != training.best.total))
        throw FileError(checkpoint + ": this training began with other samples or another --seed");
    std::fprintf(stderr, "going on after epoch %zu\n", training.epochs);
}

/// What is left to do with the best epoch's state: profile, score, threshold.
template <class Training>
Trained finish(const Model& model, const Training& training, const TrainingSet& set, const Options& options,
               double rate, gradcon::Executor& executor) {
    Trained trained{model, training.best_params, training.best_policy};
    trained.input = set.input;
    trained.profile = gradcon::fit_profile(model, trained.params, trained.policy, set.train, executor);
    const gradcon::Scorer scorer{model, trained.params, trained.policy, trained.profile};
    trained.score_rule = make_score_rule(options.score, gradcon::score_each(scorer, set.validation, executor),
                                         std::holds_alternative<gradcon::TableInput>(set.input));
    trained.calibration = gradcon::Calibration(
        gradcon::scores_by(trained.score_rule, gradcon::score_each(scorer, set.calibration, executor)), rate);
    trained.notes = {{"samples", std::to_string(set.train.shape()[0])},
                     {"epochs", std::to_string(training.epochs)},
                     {"best_epoch", std::to_string(training.best_epoch)},
                     {"seed", std::to_string(options.seed)},
                     {"score", options.score}};
    return trained;
}

} // namespace

int train(const Options& options) {
    using Clock = std::chrono::steady_clock;
    std::signal(SIGINT, [](int) { interrupted = true; });
    std::signal(SIGTERM, [](int) { interrupted = true; });
    const std::string checkpoint = options.model + ".checkpoint";
    Progress progress;
    try {
        const TrainingSet set = read_training_set(options, stop_if_interrupted);
        const double rate = usable_rate(options, set.calibration.shape()[0]);
        std::fprintf(stderr, "normal samples of %s: %zu train, %zu choose the best epoch, %zu calibrate\n",
                     gradcon::shape_string(std::array{set.shape[1], set.shape[2], set.shape[3]}).c_str(),
                     set.train.shape()[0], set.validation.shape()[0], set.calibration.shape()[0]);

        const Model model = make_model(options, set.shape);
        gradcon::Rng rng(options.seed);
        auto params = model.init<float>(rng);
        gradcon::scale_to_he(params);
        const gradcon::GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}};
        gradcon::Training training{params, policy, gradcon::Adam{params, {.learning_rate = 1e-3}}, rng};
        gradcon::ThreadPool threads(options.threads);
        InterruptibleExecutor executor(threads);
        if (options.resume) resume(checkpoint, model, training, set, executor);

        auto saved = Clock::now();
        Clock::duration saving{};
        const auto on_epoch = [&](const gradcon::Epoch& epoch) {
            progress(epoch);
            const auto now = Clock::now();
            if (epoch.number < options.epochs && now - saved < 20 * saving) return; // a twentieth of the time, no more
            gradcon::io::save_checkpoint(checkpoint, model, training);
            saved = Clock::now();
            saving = saved - now;
        };
        try {
            gradcon::fit(model, training, set.train,
                         {.epochs = options.epochs, .validation = set.validation, .executor = &executor}, on_epoch);
            const Trained trained = finish(model, training, set, options, rate, executor);
            save_model(options.model, trained);
            std::filesystem::remove(checkpoint);
            std::fprintf(stderr,
                         "%s: epoch %zu has the least loss of the held-out samples; threshold %.5g for a false-alarm "
                         "rate of %.3g\n",
                         options.model.c_str(), training.best_epoch, trained.calibration.threshold(), rate);
            return 0;
        } catch (const Interrupted&) {
            progress.interrupt();
            gradcon::io::save_checkpoint(checkpoint, model, training);
            std::fprintf(stderr, "stopped after epoch %zu, which is in %s; the same command with --resume goes on\n",
                         training.epochs, checkpoint.c_str());
        }
    } catch (const Interrupted&) { std::fprintf(stderr, "stopped before training began; nothing is written\n"); }
    return 130; // as shells say of a program that was interrupted
}
