#include "scoring.hpp"

#include <gradcon/evaluation/drift.hpp>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <optional>
#include <string>

namespace {

std::string quoted(const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string csv = "\"";
    for (const char c : text) csv += c == '"' ? "\"\"" : std::string(1, c);
    return csv += '"';
}

void print_header(const Options& options, const Detector& detector) {
    if (options.format == "table")
        std::printf("%12s %9s  %-9s %11s  %s\n", "score", "p-value", "verdict", "error", "sample");
    if (options.format != "csv") return;
    std::printf("sample,score,p_value,anomalous,reconstruction_error");
    for (const auto& name : detector.trained().policy.names()) std::printf(",cosine %s", name.c_str());
    std::printf("\n");
}

void print(const Options& options, const Scored& scored) {
    const gradcon::Verdict& v = scored.verdict;
    if (options.format == "table") {
        std::printf("%12.6g %9.4g  %-9s %11.6f  %s\n", v.score, v.p_value, v.anomalous ? "ANOMALOUS" : "normal",
                    v.reconstruction_error, scored.sample.name.c_str());
    } else if (options.format == "csv") {
        std::printf("%s,%.9g,%.9g,%d,%.9g", quoted(scored.sample.name).c_str(), v.score, v.p_value, int{v.anomalous},
                    v.reconstruction_error);
        for (const double cosine : v.cosine) std::printf(",%.9g", cosine);
        std::printf("\n");
    } else {
        const nlohmann::json line{{"sample", scored.sample.name},
                                  {"score", v.score},
                                  {"p_value", v.p_value},
                                  {"anomalous", v.anomalous},
                                  {"reconstruction_error", v.reconstruction_error},
                                  {"cosine", scored.statistics[gradcon::Statistic::cosine]}};
        std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    }
    if (std::fflush(stdout) != 0) // whoever reads a stream wants each line when it is there
        throw gradcon::FileError("standard output cannot be written to");
}

} // namespace

int score(const Options& options) {
    const Detector detector = load_detector(options);
    const auto source = open_sources(options.inputs, input_options(options, detector));
    check_input(detector, *source, options.inputs.front());
    std::optional<gradcon::DriftMonitor> drift;
    if (options.drift) drift.emplace(detector.calibration());
    print_header(options, detector);
    std::size_t anomalies = 0;
    const auto result = score_all(detector, *source, options, [&](Scored& scored) {
        print(options, scored);
        anomalies += scored.verdict.anomalous ? 1 : 0;
        if (drift && drift->add(scored.verdict.score))
            std::fprintf(stderr,
                         "drift: the last %zu scores are not distributed as when the model was calibrated (p = %.2g): "
                         "calibrate it anew on normal samples of today\n",
                         drift->options().window, drift->p_value());
    });
    std::fprintf(stderr, "%zu scored, %zu anomalous", result.scored, anomalies);
    if (result.left_out > 0) std::fprintf(stderr, ", %zu left out", result.left_out);
    if (const auto& c = detector.calibration(); !c.empty() || c.own_threshold())
        std::fprintf(stderr, " (threshold %.5g)", c.threshold());
    else std::fprintf(stderr, " (the model is not calibrated)");
    std::fputc('\n', stderr);
    return options.fail_on_anomaly && anomalies > 0 ? 1 : 0;
}
