#include "scoring.hpp"

#include <gradcon/core/executor.hpp>
#include <gradcon/io/detector_file.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <variant>
#include <vector>

using gradcon::FileError;
using gradcon::message;

Detector load_detector(const Options& options) {
    auto detector = gradcon::io::load(options.model,
                                      {.threshold = options.threshold, .false_alarm_rate = options.false_alarm_rate});
    if (const auto& rate = options.false_alarm_rate;
        rate && detector.calibration().size() < gradcon::samples_needed(*rate))
        throw FileError(message(options.model, ": a false-alarm rate of ", *rate, " needs a calibration on ",
                                gradcon::samples_needed(*rate), " normal samples; this one had ",
                                detector.calibration().size()));
    return detector;
}

gradcon::TrainedModel<float> load_model(const std::string& file) { return gradcon::io::load_trained<float>(file); }

void save_model(const std::string& file, const gradcon::TrainedModel<float>& trained) {
    gradcon::io::save(trained, file);
}

InputOptions input_options(const Options& options, const Detector& detector) {
    InputOptions input = options.input;
    if (const auto* table = std::get_if<gradcon::TableInput>(&detector.trained().input)) {
        input.window = table->window;
        input.stride = table->stride;
    }
    return input;
}

void check_input(const Detector& detector, const Source& source, const std::string& input) {
    const auto* table = std::get_if<gradcon::TableInput>(&detector.trained().input);
    if (table == nullptr && source.width() > 0) throw FileError(input + ": the model is for pictures, this is a table");
    if (table != nullptr && source.width() == 0)
        throw FileError(input + ": the model is for tables, these are pictures");
    if (table == nullptr) return;
    if (source.width() != table->width())
        throw FileError(message(input, ": the model is for tables of ", table->width(),
                                " columns of numbers, this one has ", source.width(),
                                " (is one of them a label? see --label-column)"));
    const auto columns = source.columns();
    for (std::size_t k = 0; !columns.empty() && k < table->columns.size(); ++k)
        if (columns[k] != table->columns[k])
            throw FileError(message(input, ": column ", k + 1, " is called ", columns[k], ", that of the model ",
                                    table->columns[k]));
}

namespace {

void score_one(const Detector& detector, gradcon::DetectorWorkspace<float>& workspace, Scored& scored) {
    scored.sample.load();
    const auto statistics = scored.sample.is_picture()
                                ? detector.statistics(gradcon::view_of(scored.sample.picture), workspace)
                                : detector.statistics(std::span<const double>(scored.sample.rows), workspace);
    scored.statistics.add(statistics);
    scored.verdict = detector.verdict(statistics);
    scored.verdict.cosine = scored.statistics[gradcon::Statistic::cosine];
}

} // namespace

ScoringResult score_all(const Detector& detector, Source& source, const Options& options,
                        const std::function<void(Scored&)>& visit) {
    gradcon::ThreadPool threads(options.threads);
    std::vector<gradcon::DetectorWorkspace<float>> workspaces(threads.workers(), detector.workspace());
    const std::size_t at_once = 8 * threads.workers();
    ScoringResult result;
    for (bool more = true; more;) {
        std::vector<Scored> block;
        // what is there already is scored before more is waited for
        for (Sample sample;
             block.size() < at_once && (block.empty() || !source.waits()) && (more = source.next(sample));)
            block.push_back({std::move(sample), {}, {}, {}});
        threads.run(block.size(), [&](std::size_t i, std::size_t worker) {
            try {
                score_one(detector, workspaces[worker], block[i]);
            } catch (const gradcon::Error& error) { block[i].error = error.what(); }
        });
        for (Scored& scored : block) {
            if (scored.error.empty()) {
                ++result.scored;
                visit(scored);
                continue;
            }
            if (!options.keep_going) throw FileError(scored.error); // the first one, whichever thread was first
            ++result.left_out;
            std::fprintf(stderr, "left out: %s\n", scored.error.c_str());
        }
    }
    return result;
}
