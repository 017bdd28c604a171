// How well scores tell anomalies apart: against scikit-learn's figures and plain definitions.
#include "../golden/metrics.hpp" // scikit-learn's figures
#include "labelled_scores.hpp"
#include "random_tensors.hpp"

#include <gradcon/evaluation/intervals.hpp>
#include <gradcon/evaluation/metrics.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

using namespace gradcon;
using namespace labelled;

namespace {

/// Every function of scores and labels alone.
const std::vector<std::function<double(const Values&, const Labels&)>> metrics{
    [](const Values& s, const Labels& l) { return auroc(s, l); },
    [](const Values& s, const Labels& l) { return average_precision(s, l); },
    [](const Values& s, const Labels& l) { return best_f1(s, l).f1(); },
    [](const Values& s, const Labels& l) { return fpr_at_tpr(s, l); },
    [](const Values& s, const Labels& l) { return roc_curve(s, l).back().recall(); },
    [](const Values& s, const Labels& l) { return auroc_interval(s, l).value; },
    [](const Values& s, const Labels& l) {
        return auroc_difference({s, s, l}).value;
    },
    [](const Values& s, const Labels& l) {
        Rng rng(1);
        return bootstrap_interval(auroc, s, l, rng, 10).value;
    },
    [](const Values& s, const Labels& l) {
        Rng rng(1);
        return bootstrap_difference(auroc, {s, s, l}, rng, 10).value;
    },
};

} // namespace

TEST_SUITE("metrics") {
    TEST_CASE("all metrics are scikit-learn's: ties, infinities, few of a class") {
        for (const auto& expected : golden::metrics_cases) {
            CAPTURE(expected.name);
            const auto& [scores, anomalous] = std::tie(expected.scores, expected.anomalous);
            CHECK(auroc(scores, anomalous) == about(expected.auroc));
            CHECK(average_precision(scores, anomalous) == about(expected.average_precision));
            CHECK(best_f1(scores, anomalous).f1() == about(expected.best_f1));
            CHECK(best_f1(scores, anomalous).threshold == expected.best_threshold);
            CHECK(fpr_at_tpr(scores, anomalous) == about(expected.fpr_at_95));
            CHECK(fpr_at_tpr(scores, anomalous, 0.5) == about(expected.fpr_at_50));

            const Confusion counts = confusion(scores, anomalous, expected.at);
            CHECK(counts.threshold == expected.at);
            CHECK(counts.true_positives == expected.true_positives);
            CHECK(counts.false_positives == expected.false_positives);
            CHECK(counts.true_negatives == expected.true_negatives);
            CHECK(counts.false_negatives == expected.false_negatives);
            CHECK(counts.f1() == about(expected.f1));

            const auto curve = roc_curve(scores, anomalous);
            REQUIRE(curve.size() == expected.thresholds.size());
            for (std::size_t i = 0; i < curve.size(); ++i) {
                CHECK(curve[i].threshold == expected.thresholds[i]);
                CHECK(curve[i].false_positive_rate() == about(expected.false_positive_rates[i]));
                CHECK(curve[i].recall() == about(expected.recalls[i]));
                CHECK(curve[i].precision() == about(expected.precisions[i]));
            }
        }
    }

    TEST_CASE("each metric equals its definition on random ties") {
        Rng rng(1);
        for (int round = 0; round < 50; ++round) {
            const Samples samples = random_ties(rng, 1);
            const auto& [scores, anomalous] = std::tie(samples.first, samples.anomalous);
            CHECK(auroc(scores, anomalous) == about(by_pairs(scores, anomalous), 1e-14));

            const std::set<double, std::greater<>> thresholds(scores.begin(), scores.end());
            const double tpr = 0.05 * static_cast<double>(1 + random_index(rng, 20));
            double precision_sum = 0, recall = 0, highest_f1 = 0, best_threshold = 0, lowest_fpr = 1;
            for (const double threshold : thresholds) {
                const Confusion at = confusion(scores, anomalous, threshold);
                precision_sum += (at.recall() - recall) * at.precision();
                recall = at.recall();
                const double f1 = recall > 0 ? 2 / (1 / at.precision() + 1 / recall) : 0;
                if (f1 > highest_f1 + 1e-12) highest_f1 = f1, best_threshold = threshold;
                if (recall >= tpr - 1e-12) lowest_fpr = std::min(lowest_fpr, at.false_positive_rate());
            }
            CHECK(average_precision(scores, anomalous) == about(precision_sum));
            CHECK(best_f1(scores, anomalous).f1() == about(highest_f1));
            CHECK(best_f1(scores, anomalous).threshold == best_threshold);
            CHECK(fpr_at_tpr(scores, anomalous, tpr) == about(lowest_fpr));
        }
    }

    TEST_CASE("a share of true positives that is met exactly is met") {
        for (std::size_t anomalies = 1; anomalies <= 200; ++anomalies)
            for (const double tpr : {0.05, 0.1, 0.55, 0.8, 0.95, 1.0}) {
                // Anomalies and normal samples take turns from the top.
                Values scores;
                Labels labels;
                for (std::size_t i = 0; i < 2 * anomalies; ++i) {
                    scores.push_back(-static_cast<double>(i));
                    labels.push_back(i % 2 == 0);
                }
                const std::size_t hundredths = static_cast<std::size_t>(std::lround(100 * tpr));
                const std::size_t needed = (hundredths * anomalies + 99) / 100;
                CHECK(fpr_at_tpr(scores, labels, tpr) ==
                      about(static_cast<double>(needed - 1) / static_cast<double>(anomalies)));
            }
    }

    TEST_CASE("AUROC at its ends") {
        const Labels labels{0, 1, 0, 1};
        CHECK(auroc(Values{1, 2, 1, 3}, labels) == 1);
        CHECK(auroc(Values{5, 2, 4, 3}, labels) == 0);
        CHECK(auroc(Values{7, 7, 7, 7}, labels) == 0.5);
        CHECK(auroc(Values{-infinity, infinity, 0, infinity}, labels) == 1);
        CHECK(auroc(Values{infinity, infinity, infinity, infinity}, labels) == 0.5);
        CHECK(auroc(Values{0.0, -0.0, -0.0, 0.0}, labels) == 0.5);
    }

    TEST_CASE("infinite thresholds") {
        const Values scores{-infinity, 1, infinity};
        const Labels labels{0, 1, 1};
        CHECK(confusion(scores, labels, infinity).true_positives == 1);
        CHECK(confusion(scores, labels, -infinity).false_positives == 1);
        CHECK(roc_curve(scores, labels).front().threshold == infinity);
    }

    TEST_CASE("any nonzero label is an anomaly") {
        const Values scores{1, 5, 2, 3, 4};
        for (const auto& metric : {metrics[0], metrics[1], metrics[2], metrics[3], metrics[5], metrics[7]})
            CHECK(metric(scores, {0, 255, 0, 2, 0}) == metric(scores, {0, 1, 0, 1, 0}));
    }

    TEST_CASE("what is undefined is an error, by name") {
        for (const auto& metric : metrics) {
            CHECK(throws_naming<ValueError>([&] { metric({1, 2}, {1, 1}); }, {"anomalies and normal", "2 and 0"}));
            CHECK(throws_naming<ValueError>([&] { metric({1, 2, 3}, {0, 0, 0}); }, {"0 and 3"}));
            CHECK(throws_naming<ValueError>([&] { metric({}, {}); }, {"0 and 0"}));
            CHECK(throws_naming<ValueError>([&] { metric({1, 2, 3, not_a_number}, {0, 0, 1, 1}); }, {"score 3"}));
            CHECK(throws_naming<ValueError>([&] { metric({1, -not_a_number, 3, 4}, {0, 0, 1, 1}); }, {"score 1"}));
            CHECK(throws_naming<ValueError>([&] { metric({1, 2, 3}, {0, 1}); }, {"2 and 3"}));
        }
        for (std::size_t i = 5; i < metrics.size(); ++i) // a variance needs two
            CHECK(throws_naming<ValueError>([&] { metrics[i]({1, 2, 3}, {0, 1, 1}); }, {"2 each", "2 and 1"}));
        CHECK(throws_naming<ValueError>(
            [] {
                auroc_difference({Values{1, 2, 3, 4}, Values{1}, Labels{0, 1, 0, 1}});
            },
            {"4 and 1"}));

        const Values scores{1, 2, 3, 4};
        const Labels labels{0, 0, 1, 1};
        CHECK_THROWS_AS(confusion(scores, labels, not_a_number), ValueError);
        CHECK(throws_naming<ValueError>([&] { confusion(scores, labels, 5).precision(); }, {"precision"}));
        CHECK(confusion(scores, labels, 5).f1() == 0);
        CHECK(throws_naming<ValueError>([&] { confusion({}, {}, 5).f1(); }, {"f1"}));
        CHECK(throws_naming<ValueError>([&] { confusion({}, {}, 5).recall(); }, {"recall"}));
        CHECK(throws_naming<ValueError>([&] { confusion({}, {}, 5).false_positive_rate(); }, {"false_positive_rate"}));
        for (const double wrong : {0.0, -0.1, 1.5, infinity, not_a_number}) {
            Rng rng(1);
            CHECK_THROWS_AS(fpr_at_tpr(scores, labels, wrong), ValueError);
            CHECK_THROWS_AS(auroc_interval(scores, labels, wrong), ValueError);
            CHECK_THROWS_AS(auroc_difference({scores, scores, labels}, wrong), ValueError);
            CHECK_THROWS_AS(bootstrap_interval(auroc, scores, labels, rng, 10, wrong), ValueError);
            CHECK_THROWS_AS(bootstrap_difference(auroc, {scores, scores, labels}, rng, 10, wrong), ValueError);
        }
        CHECK_THROWS_AS(auroc_interval(scores, labels, 1), ValueError);
    }
}
