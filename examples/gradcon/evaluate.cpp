#include "evaluation.hpp"
#include "folders.hpp"
#include "heat_map.hpp"
#include "report.hpp"

#include "readers/picture_file.hpp"
#include <gradcon/core/finite.hpp>
#include <gradcon/inspection/localization.hpp>
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

std::vector<LabelledInput> labelled_inputs(const Options& options, const Model& model) {
    const bool tables = model.table() != nullptr;
    std::vector<LabelledInput> inputs;
    for (const fs::path input : options.inputs) {
        if (!fs::is_directory(input)) {
            inputs.push_back({input.string(), {}});
            continue;
        }
        auto folders = tables ? std::vector<LabelledFolder>() : mvtec_test_folders(input);
        for (LabelledFolder& f : folders)
            inputs.push_back({f.path, f.anomalous, std::move(f.defect), std::move(f.masks)});
        if (!folders.empty()) continue;
        for (const bool anomalous : {false, true})
            inputs.push_back({content(input / (anomalous ? "abnormal" : "normal"), tables), anomalous});
    }
    return inputs;
}

/// Calls visit(source, input) for each input.
template <class F>
void for_each_source(const std::vector<LabelledInput>& inputs, const Options& options, const Model& model, F&& visit) {
    for (const LabelledInput& input : inputs) {
        std::unique_ptr<Source> source;
        try {
            source = open_source(input.path, input_options(options, model));
        } catch (const FileError& error) { throw FileError(message(error.what(), input.anomalous ? undefined : "")); }
        check_input(model, *source, input.path);
        visit(*source, input);
    }
}

void score_samples(Evaluation& e, const Options& options, const Model& model) {
    std::set<std::string> labels;
    std::vector<double> scores;
    gradcon::Localization places;
    PixelResult pixels;
    const bool has_masks = std::ranges::any_of(e.inputs, [](const auto& input) { return !input.masks.empty(); });
    for_each_source(e.inputs, options, model, [&](Source& source, const LabelledInput& input) {
        const auto result = score_all(model, source, options, [&](Scored& scored) {
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
            e.defects.push_back(input.defect);
            scores.push_back(scored.verdict.score);
            if (model.local() == nullptr) {
                e.statistics.add(scored.statistics[0]);
                return;
            }
            e.with_region += !anomalous && !scored.regions.empty() ? 1 : 0;
            const fs::path mask = mask_of(scored.sample.file, input.masks);
            if (!mask.empty()) e.masks[scored.sample.name] = mask;
            if (!has_masks || (anomalous && mask.empty())) return;
            ++pixels.pictures;
            places.add(std::span<const double>(map_of_pixels(*model.local(), scored)),
                       anomalous ? read_mask(mask, scored.sample.picture) : std::vector<std::uint8_t>(),
                       scored.sample.picture.shape()[1]);
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
    pixels.defects = places.defects();
    if (pixels.defects == 0) return;
    pixels.auroc = places.auroc();
    pixels.aupro = places.aupro();
    pixels.best_f1 = places.best_f1();
    e.pixels = pixels;
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

void judge_defects(Evaluation& e) {
    const RuleResult& own = e.rules[0];
    std::map<std::string, DefectResult> results;
    for (std::size_t i = 0; i < e.defects.size(); ++i) {
        if (e.defects[i].empty()) continue;
        DefectResult& result = results[e.defects[i]];
        ++result.samples;
        result.found += own.scores[i] >= own.at.threshold ? 1 : 0;
    }
    for (auto& [defect, result] : results) {
        result.defect = defect;
        result.auroc = {.value = 0.5, .low = 0, .high = 1, .standard_error = 0};
        std::vector<double> scores;
        std::vector<std::uint8_t> anomalous;
        for (std::size_t i = 0; i < e.defects.size(); ++i)
            if (!e.anomalous[i] || e.defects[i] == defect) {
                scores.push_back(own.scores[i]);
                anomalous.push_back(e.anomalous[i]);
            }
        if (result.samples >= 2) result.auroc = gradcon::auroc_interval(scores, anomalous);
        e.by_defect.push_back(std::move(result));
    }
}

std::string name_of_own(const gradcon::TrainedModel<float>& trained) {
    const auto note = trained.notes.find("score");
    const bool is_sum = std::holds_alternative<gradcon::StandardizedSum>(trained.score_rule);
    if (is_sum && note != trained.notes.end() && note->second == "recommended") return "recommended";
    return gradcon::score_rule_names[trained.score_rule.index()];
}

void judge_rules(Evaluation& e, const Model& model) {
    const auto& calibration = model.calibration();
    std::optional<double> threshold = calibration.own_threshold();
    if (!calibration.empty()) threshold = calibration.threshold();
    e.rate = calibration.false_alarm_rate();
    e.rules[0].name = name_of_own(model.trained());
    judge(e, e.rules[0], threshold);
    judge_defects(e);
    if (model.local() != nullptr) return;
    const Detector& detector = *model.whole();
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

void print(const Evaluation& e, bool local) {
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
    if (std::ranges::any_of(e.rules, &RuleResult::chosen_here))
        std::printf("\n* chosen on these samples, for a false-alarm rate of %.3g%s\n", e.rate,
                    e.normals < gradcon::samples_needed(e.rate) ? ": none, there are too few normal ones" : "");
    if (!e.by_defect.empty())
        std::printf("\n%-28s %7s  %-15s %11s %10s\n", "defect", "AUROC", "95 % interval", "samples", "found");
    for (const DefectResult& d : e.by_defect)
        std::printf("%-28s %7.4f  %.4f - %.4f %11zu %8.2f %%\n", d.defect.c_str(), d.auroc.value, d.auroc.low,
                    d.auroc.high, d.samples, 100 * static_cast<double>(d.found) / static_cast<double>(d.samples));
    if (local)
        std::printf("\n%.2f %% of the normal pictures show a region\n",
                    100 * static_cast<double>(e.with_region) / static_cast<double>(e.normals));
    if (e.pixels)
        std::printf("pixels of %zu pictures with %zu defects: AUROC %.4f, AUPRO up to .3 false positives %.4f, best F1 "
                    "%.4f\n",
                    e.pixels->pictures, e.pixels->defects, e.pixels->auroc, e.pixels->aupro, e.pixels->best_f1);
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
    for (const DefectResult& d : e.by_defect)
        json["defects"][d.defect] = {{"auroc", d.auroc.value},
                                     {"auroc_interval", {d.auroc.low, d.auroc.high}},
                                     {"n", d.samples},
                                     {"found", d.found}};
    if (e.pixels)
        json["pixels"] = {{"auroc", e.pixels->auroc},
                          {"aupro", e.pixels->aupro},
                          {"best_f1", e.pixels->best_f1},
                          {"n_pictures", e.pixels->pictures},
                          {"n_defects", e.pixels->defects}};
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

std::vector<std::uint8_t> read_mask(const fs::path& file, const Picture& picture) {
    const Picture mask = readers::read_picture(file);
    const auto &have = mask.shape(), &need = picture.shape();
    if (have[0] != need[0] || have[1] != need[1])
        throw FileError(message(file.string(), ": a mask of ", have[0], " x ", have[1], " pixels, its picture has ",
                                need[0], " x ", need[1]));
    return inside_mask(mask);
}

std::map<std::string, Sample> read_again(const Evaluation& evaluation, std::set<std::string> names,
                                         const Options& options, const Model& model) {
    std::map<std::string, Sample> samples;
    for_each_source(evaluation.inputs, options, model, [&](Source& source, const LabelledInput&) {
        for (Sample sample; !names.empty() && source.next(sample);) {
            if (names.erase(sample.name) == 0) continue;
            std::string name = sample.name;
            samples[std::move(name)] = std::exchange(sample, {});
        }
    });
    return samples;
}

int evaluate(const Options& options) {
    const Model model = load_model(options);
    Evaluation evaluation;
    evaluation.inputs = labelled_inputs(options, model);
    score_samples(evaluation, options, model);
    judge_rules(evaluation, model);
    print(evaluation, model.local() != nullptr);
    std::fflush(stdout);
    if (!options.json.empty()) write_json(options.json, evaluation);
    if (!options.report.empty()) write_report(evaluation, options, model);
    return 0;
}
