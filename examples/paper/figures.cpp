#include "figures.hpp"
#include "curve.hpp"
#include "reconstructions.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace {

Figure histogram(const std::string& set, std::uint64_t inlier, const Score& score) {
    constexpr std::size_t bins = 40;
    const Judged& judged = score.judged[0][0];
    std::vector<double> sorted = judged.scores;
    std::ranges::sort(sorted);
    const double low = sorted.front(), high = sorted[(sorted.size() - 1) * 99 / 100]; // a few reach far out
    const double width = high > low ? (high - low) / bins : 1;
    std::array<Series, 2> series{Series{"normal"}, Series{"anomalous"}};
    for (std::size_t of = 0; of < 2; ++of) {
        std::vector<double> share(bins + 1);
        const double count =
            static_cast<double>(std::ranges::count_if(judged.anomalous, [&](int a) { return (a != 0) == (of == 1); }));
        for (std::size_t i = 0; i < judged.scores.size(); ++i) {
            const double bin = (judged.scores[i] - low) / width;
            if ((judged.anomalous[i] != 0) == (of == 1) && bin <= bins)
                share[std::min(static_cast<std::size_t>(bin), bins - 1)] += 1 / count;
        }
        for (std::size_t bin = 0; bin <= bins; ++bin)
            series[of].points.push_back({low + width * static_cast<double>(bin), share[bin]});
    }
    return {file_name(set + "-histogram-" + score.name), "",
            plot({score.name + ", class " + std::to_string(inlier) + " normal", "score", "share of the images",
                  "set yrange [0:*]\nset xtics font ',11'"},
                 {series[0], series[1]}, "fillsteps")};
}

/// The share of the anomalies found at a false-positive rate, linear between the points of the curve.
std::vector<double> recall_on_grid(const Judged& judged, std::size_t steps) {
    std::vector<double> recall;
    std::array<double, 2> before{0, 0};
    for (const auto& at : gradcon::roc_curve(judged.scores, judged.anomalous)) {
        const std::array now{at.false_positive_rate(), at.recall()};
        while (recall.size() <= steps) {
            const double x = static_cast<double>(recall.size()) / static_cast<double>(steps);
            if (x > now[0]) break;
            const double run = now[0] - before[0];
            recall.push_back(run > 0 ? before[1] + (now[1] - before[1]) * (x - before[0]) / run : now[1]);
        }
        before = now;
    }
    recall.resize(steps + 1, 1);
    return recall;
}

Figure mean_roc(const std::string& set, const std::vector<Score>& scores) {
    constexpr std::size_t steps = 100;
    std::vector<Series> all;
    for (const Score& score : scores) {
        std::vector<double> sum(steps + 1);
        double count = 0;
        for (const auto& of_seed : score.judged)
            for (const Judged& judged : of_seed) {
                const auto recall = recall_on_grid(judged, steps);
                for (std::size_t i = 0; i <= steps; ++i) sum[i] += recall[i];
                ++count;
            }
        Series series{score.name, {{0, 0}}};
        for (std::size_t i = 0; i <= steps; ++i)
            series.points.push_back({static_cast<double>(i) / steps, sum[i] / count});
        all.push_back(std::move(series));
    }
    return {set + "-roc", "",
            plot({"ROC, mean over classes", "false-positive rate", "share of the anomalies found",
                  "set xrange [0:1]\nset yrange [0:1]"},
                 all, "lines")};
}

/// The mean of these columns of the curves of all experiments, as far as all went.
std::string over_training(Study& study, const std::vector<Experiment>& experiments, Axes axes,
                          const std::vector<std::array<std::string, 2>>& columns, const std::string& style) {
    std::vector<Series> all;
    for (const auto& [column, name] : columns) {
        std::vector<double> sum;
        for (const Experiment& e : experiments) {
            const auto values = Curve(study.folder(e) / "curve.csv").values(column);
            if (&e == &experiments.front()) sum.assign(values.size(), 0);
            sum.resize(std::min(sum.size(), values.size()));
            for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i] / static_cast<double>(experiments.size());
        }
        Series series{name};
        for (std::size_t i = 0; i < sum.size(); ++i) series.points.push_back({static_cast<double>(i + 1), sum[i]});
        all.push_back(std::move(series));
    }
    return plot(axes, all, style);
}

} // namespace

std::vector<Figure> figures_of(Study& study, const std::vector<Experiment>& experiments,
                               const std::vector<Score>& scores) {
    const Experiment& first = experiments.front();
    std::vector<Figure> figures{reconstructions(study, first)};
    for (const Score& score : scores) figures.push_back(histogram(first.set, first.inlier, score));
    figures.push_back(mean_roc(first.set, scores));
    figures.push_back(
        {first.set + "-auroc-by-epoch", "",
         over_training(
             study, experiments, {"AUROC in training, mean over classes", "epoch", "AUROC", "set xrange [0:*]"},
             {{"auroc_reconstruction", "reconstruction"}, {"auroc_gradient", "gradient"}, {"auroc_gradcon", "GradCon"}},
             "linespoints")});
    figures.push_back(
        {first.set + "-cosines-by-epoch", "",
         over_training(study, experiments,
                       {"Alignment of held-out gradients, mean over classes", "epoch", "cosine", "set xrange [0:*]"},
                       {{"cosine_1", "decoder layer 1"}, {"cosine_2", "2"}, {"cosine_3", "3"}, {"cosine_4", "4"}},
                       "lines")});
    return figures;
}
