#include "evaluation.hpp"
#include "report.hpp"

#include <gradcon/core/finite.hpp>
#include <gradcon/io/file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <limits>
#include <span>
#include <utility>
#include <variant>

namespace fs = std::filesystem;
using gradcon::FileError;
using gradcon::message;

namespace {

constexpr const char* undefined = "; without normal and abnormal samples AUROC and the rates are undefined";

std::string in_small_letters(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

bool is_normal_label(const std::string& label, const Options& options) {
    if (!options.normal_label.empty()) return label == options.normal_label;
    const std::string small = in_small_letters(label);
    return small == "0" || small == "normal" || small == "good";
}

/// Of a model for tables the folder's only table, else the folder, for its pictures.
std::string content(const fs::path& folder, bool wants_table) {
    if (!fs::is_directory(folder))
        throw FileError(message(folder.string(),
                                ": no such folder; evaluating takes a folder with the folders normal "
                                "and abnormal in it",
                                undefined));
    if (!wants_table) return folder.string();
    std::vector<std::string> tables;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string kind = in_small_letters(entry.path().extension().string());
        if (kind == ".csv" || kind == ".tsv" || kind == ".npy") tables.push_back(entry.path().string());
    }
    if (tables.size() != 1)
        throw FileError(message(folder.string(),
                                ": the model is for tables, so this folder must hold one .csv, .tsv "
                                "or .npy file; it holds ",
                                tables.size()));
    return tables[0];
}

std::vector<LabelledInput> labelled_inputs(const Options& options, const Detector& detector) {
    const bool tables = std::holds_alternative<gradcon::TableInput>(detector.trained().input);
    std::vector<LabelledInput> inputs;
    for (const fs::path input : options.inputs)
        if (!fs::is_directory(input)) inputs.push_back({input.string(), {}});
        else
            for (const bool anomalous : {false, true})
                inputs.push_back({content(input / (anomalous ? "abnormal" : "normal"), tables), anomalous});
    return inputs;
}

/// Calls visit(source, input) for each input.
template <class F>
void for_each_source(const std::vector<LabelledInput>& inputs, const Options& options, const Detector& detector,
                     F&& visit) {
    for (const LabelledInput& input : inputs) {
        std::unique_ptr<Source> source;
        try {
            source = open_source(input.path, input_options(options, detector));
        } catch (const FileError& error) { throw FileError(message(error.what(), input.anomalous ? undefined : "")); }
        check_input(detector, *source, input.path);
        visit(*source, input);
    }
}

void score_samples(Evaluation& e, const Options& options, const Detector& detector) {
    std::set<std::string> labels;
    std::vector<double> scores;
    for_each_source(e.inputs, options, detector, [&](Source& source, const LabelledInput& input) {
        const auto result = score_all(detector, source, options, [&](Scored& scored) {
            const std::string& label = scored.sample.label;
            if (!input.anomalous && label.empty())
                throw FileError(input.path + ": its samples have no labels; evaluating takes a folder with the folders "
                                             "normal and abnormal in it, or a table with --label-column (.npy: "
                                             "--labels)");
            if (!input.anomalous && labels.size() < 10) labels.insert(label);
            const bool anomalous = input.anomalous ? *input.anomalous : !is_normal_label(label, options);
            ++(anomalous ? e.abnormals : e.normals);
            e.anomalous.push_back(anomalous ? 1 : 0);
            e.names.push_back(scored.sample.name);
            e.statistics.add(scored.statistics[0]);
            scores.push_back(scored.verdict.score);
        });
        e.left_out += result.left_out;
    });
    if (e.normals < 2 || e.abnormals < 2) {
        std::string found;
        for (const auto& label : labels) found += " " + label;
        throw FileError(message(options.inputs.front(), ": there are ", e.normals, " normal samples and ", e.abnormals,
                                " abnormal ones; with fewer than 2 of a class AUROC and its interval are undefined",
                                found.empty() ? "" : " (labels:" + found + "; --normal-label says which is normal)"));
    }
    e.rules.push_back({"", std::move(scores), {}, {}, false});
}

/// The threshold that keeps the rate on these normal samples; infinity when there are too few.
double chosen_threshold(const Evaluation& e, std::span<const double> scores) {
    std::vector<double> normal;
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (!e.anomalous[i]) normal.push_back(std::min(scores[i], std::numeric_limits<double>::max()));
    return gradcon::Calibration(std::move(normal), e.rate).threshold();
}

/// @param threshold of the model's calibration, if there is one
void judge(const Evaluation& e, RuleResult& rule, std::optional<double> threshold) {
    for (double& score : rule.scores)
        if (gradcon::is_nan(score)) score = std::numeric_limits<double>::infinity();
    rule.auroc = gradcon::auroc_interval(rule.scores, e.anomalous);
    rule.chosen_here = !threshold;
    rule.at = gradcon::confusion(rule.scores, e.anomalous, threshold ? *threshold : chosen_threshold(e, rule.scores));
}

std::string name_of_own(const gradcon::TrainedModel<float>& trained) {
    const auto note = trained.notes.find("score");
    const bool is_sum = std::holds_alternative<gradcon::StandardizedSum>(trained.score_rule);
    if (is_sum && note != trained.notes.end() && note->second == "recommended") return "recommended";
    return gradcon::score_rule_names[trained.score_rule.index()];
}

void judge_rules(Evaluation& e, const Detector& detector) {
    const auto& calibration = detector.calibration();
    std::optional<double> threshold = calibration.own_threshold();
    if (!calibration.empty()) threshold = calibration.threshold();
    e.rate = calibration.false_alarm_rate();
    e.rules[0].name = name_of_own(detector.trained());
    judge(e, e.rules[0], threshold);
    std::vector<gradcon::AnyScoreRule> others{gradcon::ReconstructionScore{}, gradcon::GradientScore{},
                                              gradcon::GradConScore{}};
    if (detector.scorer().has_codes()) others.emplace_back(gradcon::CodeDistanceScore{});
    if (detector.scorer().has_profile()) others.emplace_back(gradcon::FinishedAlignmentScore{});
    for (const auto& other : others) {
        if (other.index() == detector.trained().score_rule.index()) continue;
        RuleResult rule{
            gradcon::score_rule_names[other.index()], gradcon::scores_by(other, e.statistics), {}, {}, true};
        judge(e, rule, {});
        e.rules.push_back(std::move(rule));
    }
}

void print(const Evaluation& e) {
    std::printf("%zu normal samples, %zu abnormal", e.normals, e.abnormals);
    if (e.left_out > 0) std::printf(", %zu left out", e.left_out);
    std::printf("\n\n%-28s %7s  %-15s %11s %13s %10s\n", "score", "AUROC", "95 % interval", "threshold", "false alarms",
                "found");
    for (const RuleResult& p : e.rules) {
        const std::string name = p.name + (&p == &e.rules[0] ? " (the model's)" : "");
        std::printf("%-28s %7.4f  %.4f - %.4f ", name.c_str(), p.auroc.value, p.auroc.low, p.auroc.high);
        if (gradcon::is_finite(p.at.threshold)) std::printf("%10.5g%s", p.at.threshold, p.chosen_here ? "*" : " ");
        else std::printf("%10s%s", "none", p.chosen_here ? "*" : " ");
        std::printf(" %11.2f %% %8.2f %%\n", 100 * p.at.false_positive_rate(), 100 * p.at.recall());
    }
    std::printf("\n* chosen on these samples, for a false-alarm rate of %.3g%s\n", e.rate,
                e.normals < gradcon::samples_needed(e.rate) ? ": none, there are too few normal ones" : "");
}

nlohmann::json to_json(const Evaluation& e, const RuleResult& p) {
    const bool has_threshold = gradcon::is_finite(p.at.threshold); // JSON has no infinity
    return {{"auroc", p.auroc.value},
            {"auroc_interval", {p.auroc.low, p.auroc.high}},
            {"threshold", has_threshold ? nlohmann::json(p.at.threshold) : nlohmann::json()},
            {"threshold_chosen_here", p.chosen_here},
            {"false_alarm_rate", p.at.false_positive_rate()},
            {"false_alarm_interval", share_interval(p.at.false_positives, e.normals)},
            {"detection_rate", p.at.recall()},
            {"detection_interval", share_interval(p.at.true_positives, e.abnormals)},
            {"n_normal", e.normals},
            {"n_abnormal", e.abnormals}};
}

void write_json(const std::string& path, const Evaluation& e) {
    nlohmann::json json = to_json(e, e.rules[0]);
    json["policy"] = e.rules[0].name;
    json["n_left_out"] = e.left_out;
    for (const RuleResult& p : e.rules) json["policies"][p.name] = to_json(e, p);
    const std::string text = json.dump(2) + "\n";
    gradcon::io::replace_file(path, std::as_bytes(std::span(text)));
}

} // namespace

std::pair<double, double> share_interval(std::size_t part, std::size_t whole) {
    const double z = gradcon::normal_quantile(0.975), count = static_cast<double>(whole);
    const double share = static_cast<double>(part) / count, scale = 1 + z * z / count;
    const double middle = (share + z * z / (2 * count)) / scale;
    const double reach = z * std::sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale;
    return {part == 0 ? 0 : middle - reach, part == whole ? 1 : middle + reach};
}

std::map<std::string, Sample> read_again(const Evaluation& evaluation, std::set<std::string> names,
                                         const Options& options, const Detector& detector) {
    std::map<std::string, Sample> samples;
    for_each_source(evaluation.inputs, options, detector, [&](Source& source, const LabelledInput&) {
        for (Sample sample; !names.empty() && source.next(sample);) {
            if (names.erase(sample.name) == 0) continue;
            std::string name = sample.name;
            samples[std::move(name)] = std::exchange(sample, {});
        }
    });
    return samples;
}

int evaluate(const Options& options) {
    const Detector detector = load_detector(options);
    Evaluation evaluation;
    evaluation.inputs = labelled_inputs(options, detector);
    score_samples(evaluation, options, detector);
    judge_rules(evaluation, detector);
    print(evaluation);
    std::fflush(stdout);
    if (!options.json.empty()) write_json(options.json, evaluation);
    if (!options.report.empty()) write_report(evaluation, options, detector);
    return 0;
}
