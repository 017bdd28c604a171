#include "tables.hpp"
#include "columns.hpp"
#include "figures.hpp"
#include "reported.hpp"

#include "made_conditions.hpp"
#include <gradcon/evaluation/intervals.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace {

std::string class_name(const std::string& set, std::size_t number) {
    constexpr std::array fmnist{"T-shirt", "trouser", "pullover", "dress", "coat",
                                "sandal",  "shirt",   "sneaker",  "bag",   "boot"};
    constexpr std::array cifar10{"airplane", "automobile", "bird",  "cat",  "deer",
                                 "dog",      "frog",       "horse", "ship", "truck"};
    const std::string digit = std::to_string(number);
    return set == "fmnist" ? digit + " " + fmnist[number] : set == "cifar10" ? digit + " " + cifar10[number] : digit;
}

/// columns_of(experiment, anomalous) gives the columns of its test set, and the labels.
template <class ColumnsOf>
std::vector<Score> collect(const Options& options, const std::vector<Experiment>& experiments, ColumnsOf&& columns_of) {
    std::vector<Score> all;
    for (std::size_t i = 0; i < experiments.size(); ++i) {
        std::vector<std::uint8_t> anomalous;
        std::size_t n = 0;
        for (Column& column : columns_of(experiments[i], anomalous)) {
            if (i == 0) all.push_back({column.name, {}});
            auto& judged = all.at(n++).judged;
            judged.resize(i / options.classes.size() + 1);
            judged.back().push_back({std::move(column.scores), anomalous});
        }
    }
    return all;
}

/// What the seeds say together: means of values and of interval ends, and how the values spread.
Entry over_seeds(std::string row, std::string column, const std::vector<gradcon::Interval>& of_seeds) {
    Entry entry{std::move(row), std::move(column)};
    const double count = static_cast<double>(of_seeds.size());
    entry.value = entry.low = entry.high = 0;
    for (const auto& interval : of_seeds) {
        entry.value += interval.value / count;
        entry.low += interval.low / count;
        entry.high += interval.high / count;
    }
    double squares = 0;
    for (const auto& interval : of_seeds) squares += (interval.value - entry.value) * (interval.value - entry.value);
    if (count > 1) entry.spread = std::sqrt(squares / (count - 1));
    return entry;
}

template <class IntervalOf>
Entry over_seeds(std::string row, std::string column, const Score& score, IntervalOf&& interval_of) {
    std::vector<gradcon::Interval> of_seeds;
    for (const auto& judged : score.judged) of_seeds.push_back(interval_of(judged));
    return over_seeds(std::move(row), std::move(column), of_seeds);
}

Entry mean_entry(std::string row, std::string column, const Options& options, const Score& score) {
    std::size_t seed = 0;
    return over_seeds(std::move(row), std::move(column), score, [&](const std::vector<Judged>& judged) {
        gradcon::Rng rng(options.seeds.at(seed++)); // the same draws for every score
        return mean_auroc(judged, rng);
    });
}

/// The mean over classes of a number of each, without an interval.
template <class Metric>
Entry mean_of(std::string row, std::string column, const Score& score, Metric&& metric) {
    Entry entry = over_seeds(std::move(row), std::move(column), score, [&](const std::vector<Judged>& judged) {
        double sum = 0;
        for (const Judged& j : judged) sum += metric(j.scores, j.anomalous);
        return gradcon::Interval{sum / static_cast<double>(judged.size()), none, none, none};
    });
    entry.low = entry.high = none;
    return entry;
}

void add_aurocs(Table& table, const std::string& set, const Options& options, const std::string& prefix,
                const std::vector<Score>& scores) {
    for (const Score& score : scores) {
        for (std::size_t i = 0; i < options.classes.size(); ++i)
            table.entries.push_back(over_seeds(class_name(set, options.classes[i]), prefix + score.name, score,
                                               [&](const std::vector<Judged>& judged) {
                                                   return gradcon::auroc_interval(judged[i].scores,
                                                                                  judged[i].anomalous);
                                               }));
        table.entries.push_back(mean_entry("mean", prefix + score.name, options, score));
    }
}

void add_reported(Table& table) {
    for (const Reported& r : reported)
        if (r.table == table.name)
            table.entries.push_back({std::string(r.by), std::string(r.column), r.value, none, none, none, true});
}

const std::string protocol = "One class is normal, all others are anomalous, half of the test set each. "
                             "\"Recommended\" is gradcon::recommended_score, the rule of table rules-even.";

} // namespace

std::string set_name(const std::string& set) {
    return set == "fmnist" ? "Fashion-MNIST" : set == "mnist" ? "MNIST" : "CIFAR-10";
}

std::vector<Section> auroc_by_class(Study& study, const std::string& set) {
    const auto all = experiments(study.options, set);
    const auto scores = collect(study.options, all, [&](const Experiment& e, std::vector<std::uint8_t>& anomalous) {
        const Scored scored = study.scored(e);
        anomalous = scored.anomalous;
        return columns(scored);
    });
    Table table{set, set_name(set) + ": AUROC by score", protocol, "normal class", {}};
    add_aurocs(table, set, study.options, "", scores);
    add_reported(table);
    std::vector<Section> sections{{std::move(table), figures_of(study, all, scores)}};
    if (set == "fmnist")
        for (Section& section : by_outlier_ratio(study)) sections.push_back(std::move(section));
    return sections;
}

std::vector<Section> by_outlier_ratio(Study& study) {
    std::array sections{Section{{"fmnist-outliers",
                                 "Fashion-MNIST: AUROC by outlier ratio",
                                 "The same detectors, other test sets. Means over the classes.",
                                 "outliers",
                                 {}},
                                {}},
                        Section{{"fmnist-outliers-f1",
                                 "Fashion-MNIST: F1 by outlier ratio",
                                 "At the threshold that is best on the test set itself, which flatters every score. "
                                 "Means over the classes.",
                                 "outliers",
                                 {}},
                                {}}};
    const auto all = experiments(study.options, "fmnist");
    constexpr std::array percents{10, 20, 30, 40, 50};
    std::array<std::vector<Series>, 2> series;
    for (const int percent : percents) {
        const auto scores = collect(study.options, all, [&](const Experiment& e, std::vector<std::uint8_t>& anomalous) {
            std::vector<Part> parts;
            for (const int p : percents)
                parts.push_back({std::to_string(p), [&study, &e, p] { return study.sets.data(e, p / 100.0).test; },
                                 study.sets.split(e, p / 100.0).anomalous});
            const auto index = static_cast<std::size_t>(percent / 10 - 1);
            anomalous = parts[index].anomalous;
            return columns({study.scored(e).validation, study.scores(e, "scores-outliers", parts)[index], anomalous});
        });
        const std::string row = std::to_string(percent) + " %";
        const auto f1 = [](const auto& s, const auto& anomalous) { return gradcon::best_f1(s, anomalous).f1(); };
        for (std::size_t i = 0; i < scores.size(); ++i) {
            const std::string& name = scores[i].name;
            const std::array entries{mean_entry(row, name, study.options, scores[i]),
                                     mean_of(row, name, scores[i], f1)};
            for (std::size_t metric = 0; metric < 2; ++metric) {
                sections[metric].table.entries.push_back(entries[metric]);
                if (percent == percents[0]) series[metric].push_back({name});
                series[metric][i].points.push_back({static_cast<double>(percent), entries[metric].value});
            }
        }
    }
    constexpr std::array metrics{"AUROC", "F1"};
    for (std::size_t metric = 0; metric < 2; ++metric)
        sections[metric].figures.push_back({sections[metric].table.name, "",
                                            plot({std::string(metrics[metric]) + " by outlier ratio", "outliers, %",
                                                  metrics[metric], "set xrange [5:55]"},
                                                 series[metric], "linespoints")});
    return {sections.begin(), sections.end()};
}

std::vector<Experiment> of_all_networks(const Options& options) {
    std::vector<Experiment> all;
    for (const bool variational : {false, true})
        for (const bool gradient_term : {false, true})
            for (const Experiment& e : experiments(options, "cifar10", variational, gradient_term)) all.push_back(e);
    return all;
}

Section by_network(Study& study) {
    Table table{
        "networks", "CIFAR-10: networks, with and without the gradient term, by loss", protocol, "normal class", {}};
    for (const bool variational : {false, true})
        for (const bool gradient_term : {false, true}) {
            const auto all = experiments(study.options, "cifar10", variational, gradient_term);
            const auto scores =
                collect(study.options, all, [&](const Experiment& e, std::vector<std::uint8_t>& anomalous) {
                    const Scored scored = study.scored(e);
                    anomalous = scored.anomalous;
                    return losses(scored);
                });
            add_aurocs(table, "cifar10", study.options,
                       std::string(variational ? "VAE" : "CAE") + (gradient_term ? " + gradient: " : ": "), scores);
        }
    return {std::move(table), {}};
}
