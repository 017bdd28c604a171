#include "folders.hpp"
#include "scoring.hpp"

#include <gradcon/evaluation/metrics.hpp>
#include <gradcon/io/detector_file.hpp>
#include <gradcon/io/inspector_file.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

using gradcon::FileError;
using gradcon::message;

namespace {

/// Scores, and of a local model the largest scores in the maps.
struct NormalScores {
    std::vector<double> scores, peaks;
};

NormalScores scores_of(const Model& model, const std::vector<std::string>& inputs, const Options& options) {
    for (const std::string& input : inputs)
        if (has_mvtec_layout(input))
            throw FileError(input + ": this folder has normal and abnormal pictures; name one of the folders in it");
    const auto source = open_sources(inputs, input_options(options, model));
    check_input(model, *source, inputs.front());
    NormalScores all;
    score_all(model, *source, options, [&](Scored& scored) {
        all.scores.push_back(scored.verdict.score);
        if (!scored.map.empty()) all.peaks.push_back(std::ranges::max(scored.map));
    });
    return all;
}

void save(const Model& model, const gradcon::Calibration& calibration, const gradcon::Calibration& regions,
          const std::string& file) {
    if (model.local() != nullptr) {
        gradcon::io::save(model.local()->with(calibration, regions), file);
        return;
    }
    gradcon::TrainedModel<float> trained = model.trained();
    trained.calibration = calibration;
    gradcon::io::save(trained, file);
}

} // namespace

int calibrate(const Options& options) {
    Options own = options; // the rate is for the new calibration, not for that of the file
    own.false_alarm_rate = own.threshold = {};
    const Model model = load_model(own);
    const auto [normal, peaks] = scores_of(model, options.inputs, own);
    const double rate = options.false_alarm_rate.value_or(model.calibration().false_alarm_rate());
    if (normal.empty()) throw FileError(options.inputs.front() + ": no sample is left to calibrate with");
    for (const double score : normal)
        if (!gradcon::is_finite(score))
            throw FileError(options.inputs.front() + ": a normal sample has a score that is not finite");
    gradcon::Calibration calibration(normal, rate);
    const gradcon::Calibration regions = peaks.empty() ? gradcon::Calibration() : gradcon::Calibration(peaks, rate);
    if (!options.abnormal.empty()) {
        auto scores = normal;
        const auto anomalies = scores_of(model, {options.abnormal}, own).scores;
        scores.insert(scores.end(), anomalies.begin(), anomalies.end());
        std::vector<std::uint8_t> anomalous(normal.size(), 0);
        anomalous.resize(scores.size(), 1);
        const auto best = gradcon::best_f1(scores, anomalous);
        std::fprintf(stderr, "best F1 %.4f: precision %.4f, recall %.4f (on these samples themselves)\n", best.f1(),
                     best.precision(), best.recall());
        calibration = calibration.with_threshold(best.threshold);
    } else if (options.threshold) {
        calibration = calibration.with_threshold(*options.threshold);
    } else if (normal.size() < gradcon::samples_needed(rate)) {
        throw FileError(message(options.inputs.front(), ": a false-alarm rate of ", rate, " needs ",
                                gradcon::samples_needed(rate), " normal samples; there are ", normal.size()));
    }
    save(model, calibration, regions, options.out.empty() ? options.model : options.out);
    std::fprintf(stderr, "calibrated on %zu normal samples: threshold %.6g", normal.size(), calibration.threshold());
    if (!calibration.own_threshold()) {
        const auto interval = calibration.false_alarm_interval(rate);
        std::fprintf(stderr, " for a false-alarm rate of %.3g (of this calibration: %.3g to %.3g with 95 %%)", rate,
                     interval.low, interval.high);
    }
    std::fputc('\n', stderr);
    return 0;
}
