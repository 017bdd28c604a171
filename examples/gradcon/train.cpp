#include "options.hpp"
#include "progress.hpp"
#include "scoring.hpp"
#include "training_set.hpp"

#include <gradcon/detector/learn.hpp>
#include <gradcon/io/checkpoint.hpp>
#include <gradcon/io/detector_file.hpp>
#include <gradcon/training/callbacks.hpp>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

using gradcon::FileError;
using gradcon::message;

namespace {

using Learning = gradcon::Learning<float>;
using TrainingSet = gradcon::TrainingSet<float>;

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

/// The score rule of that name, fitted on normal samples.
gradcon::AnyScoreRule make_score_rule(const std::string& name, const gradcon::Scores& normal) {
    if (name == "gradcon") return gradcon::GradConScore{};
    if (name == "reconstruction") return gradcon::ReconstructionScore{};
    if (name == "gradient") return gradcon::GradientScore{};
    if (name == "code_distance") return gradcon::CodeDistanceScore{};
    if (name == "finished_alignment") return gradcon::FinishedAlignmentScore{};
    if (name == "log_norm_density") return gradcon::LogNormDensityScore::fit(normal);
    throw BadUse{"--score cannot be " + name};
}

/// Takes up the training of a checkpoint. @throws FileError when there is none, or it is of other samples
void resume(const std::string& checkpoint, Learning& learning) {
    if (!std::filesystem::exists(checkpoint))
        throw FileError(checkpoint + ": no such file, so there is no training to go on with");
    gradcon::io::load_checkpoint(checkpoint, learning.model(), learning.training());
    if (!learning.belongs()) throw FileError(checkpoint + ": this training began with other samples or another --seed");
    std::fprintf(stderr, "going on after epoch %zu\n", learning.training().epochs);
}

gradcon::LearnOptions learn_options(const Options& options, const TrainingSet& set, gradcon::Executor& executor) {
    gradcon::LearnOptions learn{.widths = gradcon::default_widths(set.shape(), options.width, options.depth),
                                .epochs = options.epochs,
                                .false_alarm_rate = options.false_alarm_rate,
                                .seed = options.seed,
                                .executor = &executor,
                                .notes = {{"score", options.score}}};
    if (options.score != "recommended")
        learn.score_rule = [name = options.score](const gradcon::Scores& normal) {
            return make_score_rule(name, normal);
        };
    return learn;
}

/// @throws FileError when there are too few samples for the false-alarm rate that was asked for
Learning begin(const Options& options, TrainingSet set, gradcon::Executor& executor) {
    const gradcon::Shape shape = set.shape();
    std::fprintf(stderr, "normal samples of %s: %zu train, %zu choose the best epoch, %zu calibrate\n",
                 gradcon::shape_string(std::array{shape[1], shape[2], shape[3]}).c_str(), set.training.shape()[0],
                 set.validation.shape()[0], set.calibration.shape()[0]);
    const std::size_t calibrating = set.calibration.shape()[0];
    try {
        const gradcon::LearnOptions how = learn_options(options, set, executor);
        Learning learning(std::move(set), how);
        if (!options.false_alarm_rate && learning.false_alarm_rate() != gradcon::default_false_alarm_rate)
            std::fprintf(stderr, "with %zu samples to calibrate with the false-alarm rate is %.3g; %.3g needs %zu\n",
                         calibrating, learning.false_alarm_rate(), gradcon::default_false_alarm_rate,
                         gradcon::samples_needed(gradcon::default_false_alarm_rate));
        return learning;
    } catch (const gradcon::ValueError& error) { throw FileError(options.inputs.front() + ": " + error.what()); }
}

} // namespace

int train(const Options& options) {
    std::signal(SIGINT, [](int) { interrupted = true; });
    std::signal(SIGTERM, [](int) { interrupted = true; });
    const std::string checkpoint = options.model + ".checkpoint";
    Progress progress;
    try {
        TrainingSet set = read_training_set(options, stop_if_interrupted);
        gradcon::ThreadPool threads(options.threads);
        InterruptibleExecutor executor(threads);
        Learning learning = begin(options, std::move(set), executor);
        if (options.resume) resume(checkpoint, learning);

        try {
            learning.fit(gradcon::all(
                std::ref(progress),
                gradcon::io::SaveCheckpoint(checkpoint, learning.model(), learning.training(), {.time_share = 0.05})));
            const auto detector = learning.finish();
            gradcon::io::save(detector, options.model);
            std::filesystem::remove(checkpoint);
            std::fprintf(stderr,
                         "%s: epoch %zu has the least loss of the held-out samples; threshold %.5g for a false-alarm "
                         "rate of %.3g\n",
                         options.model.c_str(), learning.training().best_epoch, detector.calibration().threshold(),
                         learning.false_alarm_rate());
            return 0;
        } catch (const Interrupted&) {
            progress.interrupt();
            gradcon::io::save_checkpoint(checkpoint, learning.model(), learning.training());
            std::fprintf(stderr, "stopped after epoch %zu, which is in %s; the same command with --resume goes on\n",
                         learning.training().epochs, checkpoint.c_str());
        }
    } catch (const Interrupted&) { std::fprintf(stderr, "stopped before training began; nothing is written\n"); }
    return 130; // as shells say of a program that was interrupted
}
