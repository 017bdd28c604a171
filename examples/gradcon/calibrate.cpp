#include "scoring.hpp"

#include <gradcon/evaluation/metrics.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

std::vector<double> scores_of(const Detector& detector, const std::vector<std::string>& inputs,
                              const Options& options) {
    const auto source = open_sources(inputs, input_options(options, detector));
    check_input(detector, *source, inputs.front());
    std::vector<double> scores;
    score_all(detector, *source, options, [&](Scored& scored) { scores.push_back(scored.verdict.score); });
    return scores;
}

} // namespace

int calibrate(const Options& options) {
    Options own = options; // the rate is for the new calibration, not for that of the file
    own.false_alarm_rate = own.threshold = {};
    const Detector detector = load_detector(own);
    const auto normal = scores_of(detector, options.inputs, own);
    const double rate = options.false_alarm_rate.value_or(detector.calibration().false_alarm_rate());
    gradcon::TrainedModel<float> trained = detector.trained();
    if (normal.empty()) throw gradcon::FileError(options.inputs.front() + ": no sample is left to calibrate with");
    for (const double score : normal)
        if (!gradcon::is_finite(score))
            throw gradcon::FileError(options.inputs.front() + ": a normal sample has a score that is not finite");
    trained.calibration = gradcon::Calibration(normal, rate);
    if (!options.abnormal.empty()) {
        auto scores = normal;
        const auto anomalies = scores_of(detector, {options.abnormal}, own);
        scores.insert(scores.end(), anomalies.begin(), anomalies.end());
        std::vector<std::uint8_t> anomalous(normal.size(), 0);
        anomalous.resize(scores.size(), 1);
        const auto best = gradcon::best_f1(scores, anomalous);
        std::fprintf(stderr, "best F1 %.4f: precision %.4f, recall %.4f (on these samples themselves)\n", best.f1(),
                     best.precision(), best.recall());
        trained.calibration = trained.calibration.with_threshold(best.threshold);
    } else if (options.threshold) {
        trained.calibration = trained.calibration.with_threshold(*options.threshold);
    } else if (normal.size() < gradcon::samples_needed(rate)) {
        throw gradcon::FileError(gradcon::message(options.inputs.front(), ": a false-alarm rate of ", rate, " needs ",
                                                  gradcon::samples_needed(rate), " normal samples; there are ",
                                                  normal.size()));
    }
    save_model(options.out.empty() ? options.model : options.out, trained);
    std::fprintf(stderr, "calibrated on %zu normal samples: threshold %.6g", normal.size(),
                 trained.calibration.threshold());
    if (!trained.calibration.own_threshold()) {
        const auto interval = trained.calibration.false_alarm_interval(rate);
        std::fprintf(stderr, " for a false-alarm rate of %.3g (of this calibration: %.3g to %.3g with 95 %%)", rate,
                     interval.low, interval.high);
    }
    std::fputc('\n', stderr);
    return 0;
}
