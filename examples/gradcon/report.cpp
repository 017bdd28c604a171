#include "report.hpp"
#include "../html.hpp"
#include "explanation.hpp"
#include "heat_map.hpp"
#include "plot.hpp"

#include "readers/png.hpp"
#include <gradcon/core/finite.hpp>
#include <gradcon/io/file.hpp>
#include <gradcon/version.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>
#include <variant>

using gradcon::message;

namespace {

constexpr const char* style = R"(
:root{color-scheme:light dark;--ink:#222;--paper:#fff;--soft:#666;--line:#ddd;--normal:#0072b2;--abnormal:#d55e00}
@media screen and (prefers-color-scheme:dark){:root{--ink:#ddd;--paper:#161616;--soft:#a0a0a0;--line:#3a3a3a;
--normal:#4aa8e0;--abnormal:#f0833a}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:70rem;margin:0 auto;
padding:1rem}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2rem 0 .5rem;border-top:1px solid var(--line);padding-top:1.2rem}
h3{font-size:1rem;margin:1.5rem 0 .3rem}p{max-width:46rem}p.headline{font-size:1.15rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}thead th{vertical-align:bottom;border-bottom-width:2px}
td,thead th{white-space:nowrap}th:first-child,.text{text-align:left}td.text{white-space:normal;min-width:18rem}
td small,th small{display:block;color:var(--soft);font-weight:400}
figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
.plots,.samples{display:flex;flex-wrap:wrap;gap:1.2rem 2rem;margin-top:1rem}.plots figure{flex:0 1 28rem}
.samples figure{flex:0 1 32rem}.samples.places figure{flex:0 1 20rem}.samples img{width:100%;height:auto;display:block}
svg{width:100%;height:auto;display:block;overflow:visible}svg text{font:13px system-ui,sans-serif;fill:currentColor}
svg .grid,svg .chance{stroke:var(--line);fill:none}svg .chance{stroke-dasharray:4 3;stroke:var(--soft)}
svg .normal,svg .abnormal{fill-opacity:.35;stroke-width:1.5}svg .normal{fill:var(--normal);stroke:var(--normal)}
svg .abnormal{fill:var(--abnormal);stroke:var(--abnormal);stroke-dasharray:4 2}
svg .threshold{stroke:currentColor;stroke-width:1.5}svg .curve{stroke:var(--normal);stroke-width:2;fill:none}
svg .working-point{fill:var(--abnormal);stroke:var(--paper);stroke-width:1.5}
.alarm{color:var(--abnormal);font-weight:600}
@media print{html{font-size:10px}body{max-width:none;font-size:1rem}.wide{overflow:visible}.plots figure{flex-basis:48%}
.samples figure{flex-basis:48%}h2,h3{break-after:avoid}tr{break-inside:avoid}}
)";

class Page {
  public:
    Page(const Evaluation& evaluation, const Options& options, const Model& model)
        : e_(evaluation), options_(options), model_(model), own_(evaluation.rules[0]) {
        if (model.local() != nullptr) heat_map_.emplace(*model.local());
        else explainer_.emplace(with_derivative(*model.whole()));
        if (explainer_) workspace_ = explainer_->workspace();
    }

    std::string html() {
        const std::string model = std::filesystem::path(options_.model).filename().string();
        const std::string title = message("How well ", escaped(model), " tells normal from abnormal");
        text_ = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
                title + "</title>\n<style>" + style + "</style></head><body>\n<h1>" + title + "</h1>\n";
        headline();
        facts();
        plots();
        rates();
        if (e_.rules.size() > 1) rules();
        defects();
        places();
        samples();
        if (explainer_) cosines();
        return text_ + "</body></html>\n";
    }

  private:
    void paragraph(const std::string& text, const char* css_class = "") {
        text_ += std::string("<p") + (*css_class ? " class=\"" + std::string(css_class) + "\"" : "") + ">" +
                 escaped(text) + "</p>\n";
    }

    /// What one should know first, and what to do about it.
    void headline() {
        const auto& calibration = model_.calibration();
        const bool calibrated = !own_.chosen_here && !calibration.own_threshold();
        std::string begin = message("At the threshold ", readable(own_.at.threshold));
        if (!gradcon::is_finite(own_.at.threshold) && calibration.own_threshold())
            begin = "At the infinite threshold, which was given";
        else if (!gradcon::is_finite(own_.at.threshold))
            begin =
                message("Without a threshold, as there are too few normal scores for a false-alarm rate of ", e_.rate);
        else if (own_.chosen_here)
            begin += message(", chosen on these normal samples for a false-alarm rate of ", e_.rate);
        else if (calibrated)
            begin += ", calibrated for " + one_in(e_.rate) + message(" on ", calibration.size(), " samples");
        else begin += ", which was given";
        const auto [low, high] = share_interval(own_.at.false_positives, e_.normals);
        const auto [found_low, found_high] = share_interval(own_.at.true_positives, e_.abnormals);
        paragraph(message(begin, ", ", percent(own_.at.false_positive_rate()), " of the ", e_.normals,
                          " normal samples were alarms (95 % interval ", percent(low), " to ", percent(high), ") and ",
                          percent(own_.at.recall()), " of the ", e_.abnormals, " abnormal ones were found (",
                          percent(found_low), " to ", percent(found_high), ")."),
                  "headline");
        if (calibrated && gradcon::is_finite(own_.at.threshold)) {
            const auto promised = calibration.false_alarm_interval(e_.rate);
            const std::string range =
                message("the calibration's ", percent(e_.rate), ", which with so many samples may be ",
                        percent(promised.low), " to ", percent(promised.high), " in truth");
            if (low > promised.high)
                paragraph("The false alarms are more than " + range +
                          ". So these normal samples are not like those of the calibration: calibrate anew on samples "
                          "like these (gradcon calibrate), or train with them too.");
            else if (high < promised.low)
                paragraph("The false alarms are fewer than " + range +
                          ". Calibrating anew on samples like these (gradcon calibrate) would find more.");
            else paragraph("The false alarms agree with " + range + ".");
        }
        paragraph(message("A random abnormal sample scores higher than a random normal one in ",
                          percent(own_.auroc.value), " of the cases (AUROC ", three_places(own_.auroc.value),
                          ", 95 % interval ", three_places(own_.auroc.low), " to ", three_places(own_.auroc.high), ").",
                          own_.auroc.low <= 0.5 && own_.auroc.high >= 0.5
                              ? " That may be chance: this model does not tell them apart."
                              : ""));
        better_policy();
    }

    static std::string one_in(double rate) {
        const double every = std::round(1 / rate);
        if (std::abs(every * rate - 1) > 1e-6) return message("a false-alarm rate of ", rate);
        return message("1 false alarm in ", every, " normal samples");
    }

    /// Does another score rank these samples better, and not by chance?
    void better_policy() {
        const auto best = std::ranges::max_element(e_.rules, {}, [](const auto& p) { return p.auroc.value; });
        if (best == e_.rules.begin()) return;
        try {
            const auto difference = gradcon::auroc_difference({best->scores, own_.scores, e_.anomalous});
            if (difference.p_two_sided > 0.01) return;
            paragraph(message("On these samples the score ", best->name, " is better, with an AUROC of ",
                              three_places(best->auroc.value), " (p ",
                              difference.p_two_sided < 1e-4 ? std::string("below 0.0001")
                                                            : message("= ", readable(difference.p_two_sided, 2)),
                              "). If other samples agree, train with --score ", best->name, "."));
        } catch (const gradcon::ValueError&) {} // both rank them alike
    }

    void facts() {
        const auto fact = [&](const char* what, const std::string& is) {
            text_ += message("<dt>", what, "</dt><dd>", escaped(is), "</dd>");
        };
        text_ += "<dl>";
        fact("model", options_.model);
        fact("score", own_.name);
        std::string inputs;
        for (const auto& input : options_.inputs) inputs += (inputs.empty() ? "" : ", ") + input;
        fact("samples", inputs + message(": ", e_.normals, " normal, ", e_.abnormals, " abnormal"));
        if (e_.left_out > 0) fact("left out", message(e_.left_out, " that could not be read"));
        fact("program",
             message("gradcon ", GRADCON_VERSION_MAJOR, ".", GRADCON_VERSION_MINOR, ".", GRADCON_VERSION_PATCH));
        text_ += "</dl>\n";
        paragraph(
            "These figures hold for new samples as far as the model has been neither trained nor calibrated on the "
            "ones evaluated here.");
    }

    void plots() {
        const std::size_t beyond = beyond_histogram(e_);
        text_ += "<h2>Scores</h2>\n<div class=\"plots\"><figure>" + histogram_svg(e_) +
                 "<figcaption>Where the scores of the two classes lie: the less they overlap, the better." +
                 (beyond > 0 ? message(" The last bar holds also ", beyond, " scores beyond it.") : "") +
                 "</figcaption></figure>\n<figure>" + roc_svg(e_) +
                 "<figcaption>ROC curve: what other thresholds would do. The point is this one; the dashed line is "
                 "chance.</figcaption></figure></div>\n";
    }

    /// What other thresholds would do, as numbers.
    void rates() {
        std::vector<double> normal;
        for (std::size_t i = 0; i < own_.scores.size(); ++i)
            if (!e_.anomalous[i] && gradcon::is_finite(own_.scores[i])) normal.push_back(own_.scores[i]);
        if (normal.size() != e_.normals) return;
        const gradcon::Calibration calibration(std::move(normal));
        std::string rows;
        for (const double rate : {0.001, 0.01, 0.02, 0.05, 0.1, 0.2})
            if (e_.normals >= gradcon::samples_needed(rate)) {
                const double threshold = calibration.threshold(rate);
                const auto at = gradcon::confusion(own_.scores, e_.anomalous, threshold);
                rows += message("<tr><th>", percent(rate), "</th><td>", readable(threshold, 4), "</td><td>",
                                percent(at.recall()), "</td></tr>\n");
            }
        if (rows.empty()) return;
        text_ +=
            "<h3>Other thresholds</h3>\n<p>Chosen on these normal samples; take one by <code>--threshold</code>, or "
            "keep a rate with <code>gradcon calibrate --false-alarm-rate</code>.</p>\n<div class=\"wide\"><table>"
            "<thead><tr><th>false alarms</th><th>threshold</th><th>found</th></tr></thead><tbody>\n" +
            rows + "</tbody></table></div>\n";
    }

    void rules() {
        text_ += "<h2>Other scores of the same model</h2>\n<p>The first is the model's own, with its threshold. The "
                 "others are not calibrated: their thresholds are chosen on these samples for a false-alarm rate of " +
                 message(e_.rate) +
                 ".</p>\n<div class=\"wide\"><table><thead><tr><th>score</th><th>AUROC</th>"
                 "<th>threshold</th><th>false alarms</th><th>found</th></tr></thead><tbody>\n";
        for (const RuleResult& p : e_.rules) {
            const auto cell = [&](std::size_t k, std::size_t n) {
                const auto [low, high] = share_interval(k, n);
                return message("<td>", percent(static_cast<double>(k) / static_cast<double>(n)), "<small>",
                               percent(low), " – ", percent(high), "</small></td>");
            };
            text_ += message(
                "<tr><th>", escaped(p.name), &p == &own_ ? "<small>the model's</small>" : "", "</th><td>",
                three_places(p.auroc.value), "<small>", three_places(p.auroc.low), " – ", three_places(p.auroc.high),
                "</small></td><td>", readable(p.at.threshold, 4), p.chosen_here ? "<small>chosen here</small>" : "",
                "</td>", cell(p.at.false_positives, e_.normals), cell(p.at.true_positives, e_.abnormals), "</tr>\n");
        }
        text_ += "</tbody></table></div>\n";
    }

    void defects() {
        if (e_.by_defect.empty()) return;
        text_ += "<h2>Kinds of defects</h2>\n<div class=\"wide\"><table><thead><tr><th>defect</th><th>samples</th>"
                 "<th>AUROC</th><th>found</th></tr></thead><tbody>\n";
        for (const DefectResult& d : e_.by_defect) {
            const auto [low, high] = share_interval(d.found, d.samples);
            text_ +=
                message("<tr><th>", escaped(d.defect), "</th><td>", d.samples, "</td><td>", three_places(d.auroc.value),
                        "<small>", three_places(d.auroc.low), " – ", three_places(d.auroc.high), "</small></td><td>",
                        percent(static_cast<double>(d.found) / static_cast<double>(d.samples)), "<small>", percent(low),
                        " – ", percent(high), "</small></td></tr>\n");
        }
        text_ += "</tbody></table></div>\n";
    }

    /// How well the maps show where defects are.
    void places() {
        if (heat_map_)
            paragraph(message(percent(static_cast<double>(e_.with_region) / static_cast<double>(e_.normals)),
                              " of the normal pictures show a region."));
        if (e_.pixels)
            paragraph(message(
                "A random pixel of a defect scores higher than a random other one in ", percent(e_.pixels->auroc),
                " of the cases. AUPRO up to .3 false positives: ", three_places(e_.pixels->aupro),
                ". Best F1 of pixels: ", three_places(e_.pixels->best_f1), ". These are of ", e_.pixels->pictures,
                " pictures with ", e_.pixels->defects, " defects; the threshold of the best F1 is chosen on them."));
    }

    void samples() {
        constexpr std::size_t most = 8;
        std::array<std::vector<std::size_t>, 2> classes; // normal and abnormal, the highest score first
        std::vector<std::size_t> order(own_.scores.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return own_.scores[i]; });
        for (const std::size_t i : order) classes[e_.anomalous[i]].push_back(i);
        const auto first = [&](std::vector<std::size_t> of) {
            of.resize(std::min(of.size(), most));
            return of;
        };
        const std::vector<std::size_t> lowest(classes[1].rbegin(), classes[1].rend());
        const std::array groups{first(classes[0]), first(lowest), first(classes[1])};
        const std::array titles{message("Normal, with the highest scores: ", own_.at.false_positives, " of ",
                                        e_.normals, " are false alarms"),
                                message("Abnormal, with the lowest scores: ", own_.at.false_negatives, " of ",
                                        e_.abnormals, " were missed"),
                                std::string("Abnormal, with the highest scores")};
        std::set<std::string> names;
        for (const auto& group : groups)
            for (const std::size_t i : group) names.insert(e_.names[i]);
        const auto samples = read_again(e_, std::move(names), options_, model_);

        const bool image = model_.table() == nullptr;
        text_ += "<h2>Samples to look at</h2>\n";
        paragraph(image ? message("From left to right: ", heat_map_ ? heat_reading : sheet_reading,
                                  heat_map_ && e_.pixels ? "; where a defect is, by its mask." : ".")
                        : "With each the numbers that the model gives back worst. A single strange one may be a fault "
                          "of its sensor.");
        for (std::size_t k = 0; k < groups.size(); ++k) {
            text_ += "<h3>" + titles[k] + "</h3>\n";
            text_ += image ? (heat_map_ ? "<div class=\"samples places\">\n" : "<div class=\"samples\">\n")
                           : "<div class=\"wide\"><table><thead><tr><th>sample</th><th>score</th><th>p-value</th>"
                             "<th></th><th class=\"text\">largest errors</th></tr></thead><tbody>\n";
            for (const std::size_t i : groups[k])
                if (const auto found = samples.find(e_.names[i]); found != samples.end())
                    text_ += image ? picture(i, found->second) : row(i, found->second);
            text_ += image ? "</div>\n" : "</tbody></table></div>\n";
        }
    }

    std::string verdict(std::size_t i) const {
        return own_.scores[i] >= own_.at.threshold ? "<span class=\"alarm\">alarm</span>" : "no alarm";
    }
    std::string p_value(std::size_t i) const {
        return model_.calibration().empty() ? "none" : readable(model_.calibration().p_value(own_.scores[i]), 2);
    }

    Picture sheet(std::size_t i, Sample sample) {
        if (heat_map_) {
            Scored scored{.sample = std::move(sample), .verdict = {}, .statistics = {}};
            score_one(model_, scored);
            const auto mask = e_.masks.find(e_.names[i]);
            return heat_map_->sheet(scored,
                                    mask == e_.masks.end() ? std::vector<std::uint8_t>()
                                                           : read_mask(mask->second, scored.sample.picture),
                                    112, 256);
        }
        sample.load();
        explainer_->explain(gradcon::view_of(sample.picture), workspace_, explained_);
        return explanation_sheet(sample.picture, explained_, std::get<gradcon::ImageInput>(model_.trained().input), 112,
                                 256);
    }

    std::string picture(std::size_t i, Sample sample) {
        const auto png = readers::encode_png(gradcon::TensorView<const std::uint8_t, 3>(sheet(i, std::move(sample))));
        const std::string name = escaped(e_.names[i]);
        return message("<figure><img alt=\"", name, ": ",
                       heat_map_ ? "picture and scores" : "picture, reconstruction, difference and attribution", "\" ",
                       "src=\"data:image/png;base64,", base64(png), "\"><figcaption>", name, "<br>score ",
                       readable(own_.scores[i], 4), ", p-value ", p_value(i), ", ", verdict(i),
                       "</figcaption></figure>\n");
    }

    std::string row(std::size_t i, const Sample& sample) {
        explainer_->explain(std::span<const double>(sample.rows), workspace_, explained_);
        const auto numbers =
            explained_numbers(sample, explained_, std::get<gradcon::TableInput>(model_.trained().input));
        std::string worst;
        for (const auto& number : std::span(numbers).first(std::min<std::size_t>(numbers.size(), 4)))
            worst += message(worst.empty() ? "" : "; ", escaped(number.column), "\u00a0=\u00a0",
                             readable(number.value, 4), " (given back ", readable(number.given_back, 4), ")");
        const std::string name = std::filesystem::path(e_.names[i]).filename().string();
        return message("<tr><th>", escaped(name), "</th><td>", readable(own_.scores[i], 4), "</td><td>", p_value(i),
                       "</td><td>", verdict(i), "</td><td class=\"text\">", worst, "</td></tr>\n");
    }

    void cosines() {
        text_ += "<h2>How the gradients align</h2>\n<p>The cosine of each monitored tensor's gradient with its "
                 "reference, mean ± standard deviation. Gradients of normal samples should align better. The last "
                 "column is the AUROC of that cosine alone.</p>\n<div class=\"wide\"><table><thead><tr><th>tensor</th>"
                 "<th>normal</th><th>abnormal</th><th>AUROC</th></tr></thead><tbody>\n";
        const auto names = model_.trained().policy.names();
        for (std::size_t k = 0; k < e_.statistics.count(); ++k) {
            std::array<std::vector<double>, 2> values;
            std::vector<double> minus;
            for (std::size_t i = 0; i < e_.names.size(); ++i) {
                const double cosine = e_.statistics[i].cosine()[k];
                minus.push_back(gradcon::is_finite(cosine) ? -cosine : 0);
                if (gradcon::is_finite(cosine)) values[e_.anomalous[i]].push_back(cosine);
            }
            text_ +=
                message("<tr><th>", escaped(names[k]), "</th><td>", spread(values[0]), "</td><td>", spread(values[1]),
                        "</td><td>", three_places(gradcon::auroc(minus, e_.anomalous)), "</td></tr>\n");
        }
        text_ += "</tbody></table></div>\n";
    }

    static std::string spread(const std::vector<double>& values) {
        if (values.empty()) return "none";
        const double count = static_cast<double>(values.size());
        double mean = 0, square = 0;
        for (const double value : values) mean += value / count;
        for (const double value : values) square += (value - mean) * (value - mean) / count;
        std::array<char, 64> text{};
        std::snprintf(text.data(), text.size(), "%.3f ± %.3f", mean, std::sqrt(square));
        return text.data();
    }

    /// Of a score that is a step function, the sum that it is made of.
    static Detector with_derivative(const Detector& detector) {
        const auto* steps = std::get_if<gradcon::ConformalSum>(&detector.trained().score_rule);
        if (steps == nullptr) return detector;
        auto trained = detector.trained();
        trained.score_rule = gradcon::StandardizedSum(steps->sum);
        return Detector(std::move(trained));
    }

    const Evaluation& e_;
    const Options& options_;
    const Model& model_;
    const RuleResult& own_;
    std::optional<HeatMap> heat_map_;                    // of a model of locations
    std::optional<gradcon::Explainer<float>> explainer_; // of another
    gradcon::ExplainerWorkspace<float> workspace_{};
    Explained explained_;
    std::string text_;
};

} // namespace

void write_report(const Evaluation& evaluation, const Options& options, const Model& model) {
    const std::string html = Page(evaluation, options, model).html();
    gradcon::io::replace_file(options.report, std::as_bytes(std::span(html)));
    std::fprintf(stderr, "%s: the report\n", options.report.c_str());
}
