#include "folders.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "training.hpp"
#include "training_set.hpp"

#include <gradcon/detector/learn.hpp>
#include <gradcon/io/checkpoint.hpp>
#include <gradcon/io/detector_file.hpp>
#include <gradcon/training/callbacks.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

using gradcon::FileError;
using gradcon::message;

gradcon::AnyScoreRule make_score_rule(const std::string& name, const gradcon::Scores& normal) {
    if (name == "gradcon") return gradcon::GradConScore{};
    if (name == "reconstruction") return gradcon::ReconstructionScore{};
    if (name == "gradient") return gradcon::GradientScore{};
    if (name == "code_distance") return gradcon::CodeDistanceScore{};
    if (name == "finished_alignment") return gradcon::FinishedAlignmentScore{};
    if (name == "log_norm_density") return gradcon::LogNormDensityScore::fit(normal);
    throw BadUse{"--score cannot be " + name};
}

void print_explained(const gradcon::TrainedModel<float>& trained) {
    const double share = std::strtod(trained.notes.at("explained").c_str(), nullptr);
    std::fprintf(stderr, "%.1f %% of the held-out samples' variance is explained\n", 100 * share);
    if (share < 0.1)
        std::fprintf(stderr,
                     "that is hardly more than their mean explains, so the model has learnt next to nothing of "
                     "them: try --alpha 0, more --epochs, more samples, or (of pictures) features of a network\n");
}

namespace {

using Learning = gradcon::Learning<float>;
using TrainingSet = gradcon::TrainingSet<float>;

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
                                .epochs = options.epochs != 0 ? options.epochs : 50,
                                .constraint = {.alpha = options.alpha},
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

/// Says when the codes are too long for the code's distance, or refuses to train for a score that needs it.
void check_code(const Options& options, const Learning& learning) {
    const std::size_t size = learning.model().code_size(learning.set().shape());
    const std::size_t largest = gradcon::ProfileOptions{}.largest_code;
    if (size <= largest) return;
    const std::string why = message("this network's codes have ", size, " values, and the distance of a code is for ",
                                    largest, " at most (a smaller --size gives shorter codes)");
    if (options.score == "code_distance") throw BadUse{"--score code_distance: " + why};
    if (options.score == "recommended") std::fprintf(stderr, "%s: the score takes the error instead\n", why.c_str());
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
        check_code(options, learning);
        if (!options.false_alarm_rate && learning.false_alarm_rate() != gradcon::default_false_alarm_rate)
            std::fprintf(stderr, "with %zu samples to calibrate with the false-alarm rate is %.3g; %.3g needs %zu\n",
                         calibrating, learning.false_alarm_rate(), gradcon::default_false_alarm_rate,
                         gradcon::samples_needed(gradcon::default_false_alarm_rate));
        return learning;
    } catch (const gradcon::ValueError& error) { throw FileError(options.inputs.front() + ": " + error.what()); }
}

int train_whole(const Options& options) {
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
            print_explained(detector.trained());
            return 0;
        } catch (const Interrupted&) {
            progress.interrupt();
            gradcon::io::save_checkpoint(checkpoint, learning.model(), learning.training());
            std::fprintf(stderr, "stopped after epoch %zu, which is in %s; the same command with --resume goes on\n",
                         learning.training().epochs, checkpoint.c_str());
        }
    } catch (const Interrupted&) { std::fprintf(stderr, "stopped before training began; nothing is written\n"); }
    return interrupted_status;
}

} // namespace

int train(const Options& options) {
    catch_interrupts();
    Options own = options;
    for (std::string& input : own.inputs) input = training_input(input);
    return wants_local(own) ? train_local(own) : train_whole(own);
}
