#include "folders.hpp"
#include "heat_map.hpp"
#include "scoring.hpp"

#include <gradcon/evaluation/drift.hpp>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

using gradcon::message;

namespace {

std::string quoted(const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string csv = "\"";
    for (const char c : text) csv += c == '"' ? "\"\"" : std::string(1, c);
    return csv += '"';
}

void print_header(const Options& options, const Model& model) {
    const bool local = model.local() != nullptr;
    if (options.format == "table")
        std::printf("%12s %9s  %-9s %11s  %s\n", "score", "p-value", "verdict", local ? "regions" : "error", "sample");
    if (options.format != "csv") return;
    std::printf("sample,score,p_value,anomalous");
    if (local) std::printf(",regions,boxes");
    else {
        std::printf(",reconstruction_error");
        for (const auto& name : model.trained().policy.names()) std::printf(",cosine %s", name.c_str());
    }
    std::printf("\n");
}

/// Left, top, right and bottom of each, and its p-value.
std::string boxes(const std::vector<gradcon::Region>& regions) {
    std::string text;
    for (const gradcon::Region& region : regions)
        text += message(text.empty() ? "" : "; ", region.box.left, " ", region.box.top, " ", region.box.right, " ",
                        region.box.bottom, " p=", region.p_value);
    return text;
}

nlohmann::json to_json(const gradcon::Region& region) {
    return {{"box", {region.box.left, region.box.top, region.box.right, region.box.bottom}},
            {"area", region.area},
            {"peak", region.peak},
            {"peak_at", {region.peak_x, region.peak_y}},
            {"p_value", region.p_value}};
}

void print(const Options& options, const Scored& scored, bool local) {
    const gradcon::Verdict& v = scored.verdict;
    if (options.format == "table") {
        std::printf("%12.6g %9.4g  %-9s ", v.score, v.p_value, v.anomalous ? "ANOMALOUS" : "normal");
        if (local) std::printf("%11zu", scored.regions.size());
        else std::printf("%11.6f", v.reconstruction_error);
        std::printf("  %s\n", scored.sample.name.c_str());
    } else if (options.format == "csv") {
        std::printf("%s,%.9g,%.9g,%d", quoted(scored.sample.name).c_str(), v.score, v.p_value, int{v.anomalous});
        if (local) std::printf(",%zu,%s", scored.regions.size(), boxes(scored.regions).c_str());
        else {
            std::printf(",%.9g", v.reconstruction_error);
            for (const double cosine : v.cosine) std::printf(",%.9g", cosine);
        }
        std::printf("\n");
    } else {
        nlohmann::json line{
            {"sample", scored.sample.name}, {"score", v.score}, {"p_value", v.p_value}, {"anomalous", v.anomalous}};
        if (local) {
            line["regions"] = nlohmann::json::array();
            for (const gradcon::Region& region : scored.regions) line["regions"].push_back(to_json(region));
        } else {
            line["reconstruction_error"] = v.reconstruction_error;
            line["cosine"] = scored.statistics[gradcon::Statistic::cosine];
        }
        std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    }
    if (std::fflush(stdout) != 0) // whoever reads a stream wants each line when it is there
        throw gradcon::FileError("standard output cannot be written to");
}

} // namespace

int score(const Options& options) {
    std::vector<std::string> inputs = options.inputs;
    for (std::string& input : inputs) {
        if (!has_mvtec_layout(input)) continue;
        std::fprintf(stderr, "%s: only its folder test is scored\n", input.c_str());
        input = (std::filesystem::path(input) / "test").string();
    }
    const Model model = load_model(options);
    const auto source = open_sources(inputs, input_options(options, model));
    check_input(model, *source, inputs.front());
    std::optional<gradcon::DriftMonitor> drift;
    if (options.drift) drift.emplace(model.calibration());
    std::optional<HeatMapFiles> maps;
    if (!options.maps.empty()) maps.emplace(options.maps, model);
    print_header(options, model);
    std::size_t anomalies = 0;
    const auto result = score_all(model, *source, options, [&](Scored& scored) {
        print(options, scored, model.local() != nullptr);
        if (maps) maps->write(scored);
        anomalies += scored.verdict.anomalous ? 1 : 0;
        if (drift && drift->add(scored.verdict.score))
            std::fprintf(stderr,
                         "drift: the last %zu scores are not distributed as when the model was calibrated (p = %.2g): "
                         "calibrate it anew on normal samples of today\n",
                         drift->options().window, drift->p_value());
    });
    std::fprintf(stderr, "%zu scored, %zu anomalous", result.scored, anomalies);
    if (result.left_out > 0) std::fprintf(stderr, ", %zu left out", result.left_out);
    if (const auto& c = model.calibration(); !c.empty() || c.own_threshold())
        std::fprintf(stderr, " (threshold %.5g)", c.threshold());
    else std::fprintf(stderr, " (the model is not calibrated)");
    std::fputc('\n', stderr);
    return options.fail_on_anomaly && anomalies > 0 ? 1 : 0;
}
