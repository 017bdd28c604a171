#include "plot.hpp"
#include "../html.hpp"

#include <gradcon/core/finite.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

using gradcon::message;

namespace {

struct Range {
    double low, high;
};

/// Round numbers within the range, some five of them.
std::vector<double> ticks(Range range) {
    const double rough = (range.high - range.low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
    double step = power;
    for (const double factor : {2, 5, 10})
        if (step < rough) step = factor * power;
    std::vector<double> at;
    for (double i = std::ceil(range.low / step - 1e-9); i * step <= range.high + 1e-9 * step; ++i)
        at.push_back(i * step + 0.0); // -0 becomes 0
    return at;
}

/// One plot as SVG; colours are the page's.
class Plot {
  public:
    Plot(Range x, Range y, double width, double height) : x_(x), y_(y), width_(width), height_(height) {}

    double x(double value) const { return left + (value - x_.low) / (x_.high - x_.low) * (width_ - left - right); }
    double y(double value) const {
        return height_ - bottom - (value - y_.low) / (y_.high - y_.low) * (height_ - top - bottom);
    }
    /// A step of a path: M, go there, or L, with a line.
    std::string step(char how, double at_x, double at_y) const {
        return message(how, pixels(x(at_x)), ' ', pixels(y(at_y)));
    }

    void path(const std::string& steps, const char* css_class) {
        text_ += message("<path class=\"", css_class, "\" d=\"", steps, "\"/>\n");
    }
    void label(double at_x, double at_y, const char* anchor, const std::string& what) {
        text_ += text_at(at_x, at_y, anchor, what);
    }
    void circle(double at_x, double at_y, const char* css_class) {
        text_ += message("<circle class=\"", css_class, "\" cx=\"", pixels(x(at_x)), "\" cy=\"", pixels(y(at_y)),
                         "\" r=\"5\"/>\n");
    }
    void swatch(double at_x, double at_y, const char* css_class) {
        text_ += message("<rect class=\"", css_class, "\" x=\"", pixels(at_x), "\" y=\"", pixels(at_y),
                         "\" width=\"12\" height=\"12\"/>\n");
    }

    /// @param tick_text of a number on either axis
    template <class F>
    std::string finish(const std::string& x_label, const std::string& y_label, const std::string& description,
                       F&& tick_text) const {
        std::string text = message("<svg viewBox=\"0 0 ", width_, " ", height_, "\" role=\"img\" aria-label=\"",
                                   escaped(description), "\">\n");
        std::string grid, labels;
        for (const double value : ticks(x_)) {
            grid += step('M', value, y_.low) + step('L', value, y_.high);
            labels += text_at(x(value), height_ - bottom + 17, "middle", tick_text(value, true));
        }
        for (const double value : ticks(y_)) {
            grid += step('M', x_.low, value) + step('L', x_.high, value);
            labels += text_at(left - 6, y(value) + 4, "end", tick_text(value, false));
        }
        labels += text_at((left + width_ - right) / 2, height_ - 6, "middle", x_label);
        labels += message("<text transform=\"translate(13 ", pixels((top + height_ - bottom) / 2),
                          ") rotate(-90)\" text-anchor=\"middle\">", escaped(y_label), "</text>\n");
        return text + "<path class=\"grid\" d=\"" + grid + "\"/>\n" + labels + text_ + "</svg>\n";
    }

    static constexpr double left = 62, right = 24, top = 26, bottom = 42;

  private:
    static std::string pixels(double value) {
        std::array<char, 32> text{};
        std::snprintf(text.data(), text.size(), "%.1f", value);
        return text.data();
    }
    static std::string text_at(double x, double y, const char* anchor, const std::string& what) {
        return message("<text x=\"", pixels(x), "\" y=\"", pixels(y), "\" text-anchor=\"", anchor, "\">", escaped(what),
                       "</text>\n");
    }

    Range x_, y_;
    double width_, height_;
    std::string text_;
};

/// What a histogram shows of the scores: all that are finite, but a few that are far above the others.
Range histogram_range(const Evaluation& e) {
    std::vector<double> scores;
    for (const double score : e.rules[0].scores)
        if (gradcon::is_finite(score)) scores.push_back(score);
    if (scores.empty()) return {0, 1};
    std::ranges::sort(scores);
    const double low = scores.front(), most = scores[scores.size() * 95 / 100];
    double high = std::min(scores.back(), most + (most - low) / 2);
    if (const double threshold = e.rules[0].at.threshold; threshold > high && threshold < high + (high - low))
        high = threshold;
    if (high <= low) return {low - 0.5, low + 0.5};
    return {low, high};
}

} // namespace

std::string readable(double value, int digits) {
    if (!gradcon::is_finite(value)) return "none";
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*g", digits, value);
    return text.data();
}

std::string three_places(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3f", value);
    return text.data();
}

std::string percent(double share) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f\u00a0%%", 100 * share);
    return text.data();
}

std::size_t beyond_histogram(const Evaluation& e) {
    const double high = histogram_range(e).high;
    return static_cast<std::size_t>(std::ranges::count_if(e.rules[0].scores, [&](double s) { return s > high; }));
}

std::string histogram_svg(const Evaluation& e) {
    constexpr std::size_t bins = 40;
    const RuleResult& own = e.rules[0];
    const Range range = histogram_range(e);
    std::array<std::array<double, bins>, 2> shares{};
    double highest = 0;
    for (std::size_t i = 0; i < own.scores.size(); ++i) {
        const double at = (std::min(own.scores[i], range.high) - range.low) / (range.high - range.low) * bins;
        const auto bin = std::min(static_cast<std::size_t>(std::max(at, 0.0)), bins - 1);
        double& share = shares[e.anomalous[i]][bin];
        share += 1 / static_cast<double>(e.anomalous[i] ? e.abnormals : e.normals);
        highest = std::max(highest, share);
    }
    Plot plot(range, {0, highest * 1.05}, 460, 300);
    for (std::size_t k = 0; k < 2; ++k) {
        std::string outline = plot.step('M', range.low, 0);
        for (std::size_t bin = 0; bin < bins; ++bin)
            for (const std::size_t edge : {bin, bin + 1})
                outline += plot.step('L', range.low + (range.high - range.low) * static_cast<double>(edge) / bins,
                                     shares[k][bin]);
        plot.path(outline + plot.step('L', range.high, 0) + "Z", k == 0 ? "normal" : "abnormal");
        plot.swatch(Plot::left + 100 * static_cast<double>(k), 6, k == 0 ? "normal" : "abnormal");
        plot.label(Plot::left + 18 + 100 * static_cast<double>(k), 16, "start", k == 0 ? "normal" : "abnormal");
    }
    if (own.at.threshold >= range.low && own.at.threshold <= range.high) {
        plot.path(plot.step('M', own.at.threshold, 0) + plot.step('L', own.at.threshold, highest * 1.05), "threshold");
        plot.path("M280 4V20", "threshold");
        plot.label(288, 16, "start", message("threshold ", readable(own.at.threshold)));
    }
    const std::string description = message("Histogram of the scores of ", e.normals, " normal and ", e.abnormals,
                                            " abnormal samples. At the threshold ", readable(own.at.threshold), " ",
                                            percent(own.at.false_positive_rate()), " of the normal and ",
                                            percent(own.at.recall()), " of the abnormal ones are alarms.");
    return plot.finish("score", "share of the class", description, [](double value, bool is_x) {
        return is_x ? readable(value) : readable(100 * value) + "\u00a0%";
    });
}

std::string roc_svg(const Evaluation& e) {
    const RuleResult& own = e.rules[0];
    Plot plot({0, 1}, {0, 1}, 460, 400);
    plot.path(plot.step('M', 0, 0) + plot.step('L', 1, 1), "chance");
    std::string curve = plot.step('M', 0, 0), last;
    for (const auto& at : gradcon::roc_curve(own.scores, e.anomalous))
        if (const std::string next = plot.step('L', at.false_positive_rate(), at.recall()); next != last) {
            curve += next;
            last = next;
        }
    plot.path(curve, "curve");
    plot.circle(own.at.false_positive_rate(), own.at.recall(), "working-point");
    plot.label(plot.x(1) - 6, plot.y(0.16), "end", message("AUROC ", three_places(own.auroc.value)));
    plot.label(plot.x(1) - 6, plot.y(0.09), "end",
               message("95 %: ", three_places(own.auroc.low), " to ", three_places(own.auroc.high)));
    const std::string description = message(
        "ROC curve: AUROC ", three_places(own.auroc.value), ", 95 % interval ", three_places(own.auroc.low), " to ",
        three_places(own.auroc.high), ". The threshold's point: ", percent(own.at.false_positive_rate()),
        " of the normal samples are alarms, ", percent(own.at.recall()), " of the abnormal ones are found.");
    return plot.finish("false alarms among the normal", "found among the abnormal", description,
                       [](double value, bool) { return readable(100 * value) + "\u00a0%"; });
}
