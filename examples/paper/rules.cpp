#include "rules.hpp"
#include "mean_auroc.hpp"

#include <gradcon/evaluation/intervals.hpp>

#include <array>
#include <cmath>
#include <cstdint>

namespace {

constexpr std::array sets{"mnist", "fmnist", "cifar10"};

struct Task {
    Experiment experiment;
    Scored scored;
};

/// The tasks of an image set whose normal class is even (parity 0) or odd (1).
std::vector<const Task*> of(const std::vector<Task>& tasks, const std::string& set, int parity) {
    std::vector<const Task*> chosen;
    for (const Task& task : tasks)
        if (task.experiment.set == set && task.experiment.inlier % 2 == parity) chosen.push_back(&task);
    return chosen;
}

template <class ScoresOf>
std::vector<Judged> judged(const std::vector<const Task*>& tasks, ScoresOf&& scores_of) {
    std::vector<Judged> all;
    for (const Task* task : tasks) all.push_back({scores_of(task->scored), task->scored.anomalous});
    return all;
}

std::vector<double> gradcon_score(const Scored& scored) { return scored.test.score(); }

double mean(const std::vector<Judged>& all) {
    double sum = 0;
    for (const Judged& one : all) sum += gradcon::auroc(one.scores, one.anomalous);
    return sum / static_cast<double>(all.size());
}

/// A rule and GradCon on the odd classes, and the difference with its interval.
Table on_odd_classes(const std::vector<Task>& tasks, const Rule& rule, const std::string& name,
                     const std::string& title) {
    Table table{name,
                title + rule.name,
                "Other tasks than those it was chosen on, though over the same pool of test images: one that was "
                "normal there may be an anomaly here. The difference from GradCon with its 95 % interval by a "
                "bootstrap that draws the same test images for both, and its two-sided p; of three comparisons one is "
                "significant at 0.05 where p is below 0.017 (Bonferroni).",
                "set",
                {}};
    for (const char* set : sets) {
        const auto odd = of(tasks, set, 1);
        const auto ours = judged(odd, [&](const Scored& s) { return scores_by(rule, s); });
        const auto theirs = judged(odd, gradcon_score);
        std::vector<gradcon::PairedScores> pairs;
        for (std::size_t i = 0; i < odd.size(); ++i)
            pairs.push_back({ours[i].scores, theirs[i].scores, ours[i].anomalous});
        gradcon::Rng rng(0);
        const auto difference = gradcon::bootstrap_difference(gradcon::auroc, pairs, rng);
        const std::string row = set_name(set);
        table.entries.push_back({row, "rule", mean(ours)});
        table.entries.push_back({row, "GradCon", mean(theirs)});
        table.entries.push_back({row, "difference", difference.value, none, difference.low, difference.high});
        table.entries.push_back({row, "p", difference.p_two_sided});
    }
    return table;
}

} // namespace

std::vector<Experiment> of_all_sets(const Options& options) {
    std::vector<Experiment> all;
    for (const char* set : sets)
        for (const Experiment& e : experiments(options, set)) all.push_back(e);
    return all;
}

std::vector<Section> by_rule(Study& study) {
    const std::uint64_t seed = study.options.seeds.front(); // seeds share test images: they are no more evidence
    std::vector<Task> tasks;
    for (const Experiment& e : of_all_sets(study.options))
        if (e.seed == seed) tasks.push_back({e, study.scored(e)});
    if (of(tasks, sets[0], 0).empty() || of(tasks, sets[0], 1).empty()) {
        study.progress.say("rules is left out: it chooses on even classes and judges on odd ones");
        return {};
    }

    Table even{
        "rules-even",
        "Beyond GradCon: rules, on the even classes",
        "Candidates, each fitted on inlier validation images alone: mean AUROC over the even classes. The chosen "
        "one is the simplest within one standard error of the best (Breiman et al. 1984): that with the fewest "
        "terms, of these the best. Both are judged below.",
        "rule",
        {}};
    Table odd{"rules-odd",
              "All rules on the odd classes",
              "Mean AUROC, to look at: no rule was chosen by these figures.",
              "rule",
              {}};
    struct Candidate {
        const Rule* rule;
        double mean = 0, standard_error = 0;
    };
    std::vector<Candidate> candidates;
    const auto add = [&](const std::string& row, auto&& scores_of) {
        Candidate candidate{};
        double variance = 0;
        for (const char* set : sets) {
            gradcon::Rng rng(0);
            const auto interval = mean_auroc(judged(of(tasks, set, 0), scores_of), rng);
            even.entries.push_back({row, set_name(set), interval.value, none, interval.low, interval.high});
            candidate.mean += interval.value / sets.size();
            variance += interval.standard_error * interval.standard_error / (sets.size() * sets.size());
            odd.entries.push_back({row, set_name(set), mean(judged(of(tasks, set, 1), scores_of))});
        }
        candidate.standard_error = std::sqrt(variance);
        even.entries.push_back({row, "mean", candidate.mean, none, none, none});
        even.entries.push_back({row, "standard error", candidate.standard_error});
        return candidate;
    };
    add("GradCon", gradcon_score);
    for (const Rule& rule : rules()) {
        candidates.push_back(add(rule.name, [&](const Scored& s) { return scores_by(rule, s); }));
        candidates.back().rule = &rule;
    }
    Candidate best = candidates.front();
    for (const Candidate& c : candidates)
        if (c.mean > best.mean) best = c;
    Candidate chosen = best;
    for (const Candidate& c : candidates) {
        const std::size_t terms = c.rule->terms.size(), fewest = chosen.rule->terms.size();
        if (c.mean >= best.mean - best.standard_error && (terms < fewest || (terms == fewest && c.mean > chosen.mean)))
            chosen = c;
    }
    std::vector<Section> sections{
        {std::move(even), {}},
        {on_odd_classes(tasks, *chosen.rule, "rules-chosen", "The chosen rule on the odd classes: "), {}}};
    if (best.rule != chosen.rule)
        sections.push_back({on_odd_classes(tasks, *best.rule, "rules-best",
                                           "The best on the even classes, on the odd "
                                           "ones: "),
                            {}});
    sections.push_back({std::move(odd), {}});
    return sections;
}
