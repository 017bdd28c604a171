#include "../golden/metrics.hpp" // scikit-learn's figures
#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <set>
#include <tuple>

using namespace gradcon;

namespace {

using Values = std::vector<double>;
using Labels = std::vector<std::uint8_t>;
constexpr double infinity = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Within tolerance (1 + |value|).
doctest::Approx about(double value, double tolerance = 1e-13) { return doctest::Approx(value).epsilon(tolerance); }

/// 1 for an anomaly above a normal sample, one half for a tie.
double order(double anomaly, double normal) { return anomaly > normal ? 1 : anomaly == normal ? 0.5 : 0; }

/// The definition: of all pairs of an anomaly and a normal sample, the share in the right order, ties one half.
double by_pairs(const Values& scores, const Labels& anomalous) {
    double right = 0, pairs = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
        for (std::size_t j = 0; j < scores.size(); ++j)
            if (anomalous[i] && !anomalous[j]) {
                right += order(scores[i], scores[j]);
                ++pairs;
            }
    return right / pairs;
}

struct Samples {
    Values first, second;
    Labels anomalous;

    operator PairedScores() const { return {first, second, anomalous}; }
};

/// Few levels, many ties; `least` samples of each class or more.
Samples random_ties(Rng& rng, std::size_t least) {
    const std::size_t n = 2 * least + random_index(rng, 60), levels = 1 + random_index(rng, 20);
    const auto level = [&] { return static_cast<double>(random_index(rng, levels)); };
    Samples samples;
    for (std::size_t i = 0; i < n; ++i) {
        samples.first.push_back(level());
        samples.second.push_back(random_index(rng, 3) ? samples.first[i] : level());
        samples.anomalous.push_back(static_cast<std::uint8_t>(i < 2 * least ? i % 2 : random_index(rng, 2)));
    }
    return samples;
}

/// Two scores with a part in common; anomalies are shifted. The AUROC of either is Phi(shift / sqrt 2) in truth.
Samples random_normals(Rng& rng, std::size_t normals, std::size_t anomalies, double first_shift, double second_shift) {
    Samples samples;
    for (std::size_t i = 0; i < normals + anomalies; ++i) {
        const bool anomaly = i >= normals;
        const double common = 0.8 * standard_normal(rng);
        samples.first.push_back(common + 0.6 * standard_normal(rng) + (anomaly ? first_shift : 0));
        samples.second.push_back(common + 0.6 * standard_normal(rng) + (anomaly ? second_shift : 0));
        samples.anomalous.push_back(anomaly ? 1 : 0);
    }
    return samples;
}

double true_auroc(double shift) { return std::erfc(-shift / 2) / 2; }

/// The covariance of two AUROCs as DeLong, DeLong and Clarke-Pearson define it, pair by pair.
double naive_covariance(const Values& a, const Values& b, const Labels& anomalous) {
    Values v10_a, v10_b, v01_a, v01_b;
    const auto component = [&](const Values& scores, std::size_t i) {
        double sum = 0, count = 0;
        for (std::size_t j = 0; j < scores.size(); ++j)
            if (anomalous[i] != anomalous[j]) {
                sum += anomalous[i] ? order(scores[i], scores[j]) : order(scores[j], scores[i]);
                ++count;
            }
        return sum / count;
    };
    for (std::size_t i = 0; i < a.size(); ++i) {
        (anomalous[i] ? v10_a : v01_a).push_back(component(a, i));
        (anomalous[i] ? v10_b : v01_b).push_back(component(b, i));
    }
    const auto covariance = [](const Values& x, const Values& y, double mean_x, double mean_y) {
        double sum = 0;
        for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - mean_x) * (y[i] - mean_y);
        return sum / static_cast<double>(x.size() - 1);
    };
    const double auroc_a = by_pairs(a, anomalous), auroc_b = by_pairs(b, anomalous);
    return covariance(v10_a, v10_b, auroc_a, auroc_b) / static_cast<double>(v10_a.size()) +
           covariance(v01_a, v01_b, auroc_a, auroc_b) / static_cast<double>(v01_a.size());
}

/// A metric that ignores its samples and gives numbers from a list.
auto scripted(Values values) {
    return [values, next = std::size_t{0}](std::span<const double>, std::span<const std::uint8_t>) mutable {
        return values.at(next++);
    };
}

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

    TEST_CASE("normal quantiles are SciPy's, and symmetric") {
        for (const auto& expected : golden::normal_quantiles) {
            CAPTURE(expected.p);
            CHECK(std::abs(normal_quantile(expected.p) - expected.x) < 1e-14 * (1 + std::abs(expected.x)));
        }
        for (double p = 0.001; p < 0.5; p += 0.001) {
            CHECK(normal_quantile(p) == doctest::Approx(-normal_quantile(1 - p)).epsilon(1e-13));
            CHECK(std::erfc(-normal_quantile(p) / std::numbers::sqrt2) / 2 == about(p));
        }
        for (const double wrong : {0.0, -1.0, 1e-281, 1.0, 2.0, not_a_number, infinity})
            CHECK_THROWS_AS(normal_quantile(wrong), ValueError);
    }

    TEST_CASE("DeLong: errors and tests equal the definition, pair by pair") {
        Rng rng(2);
        const double z = 1.6448536269514722; // of 90 %
        for (int round = 0; round < 50; ++round) {
            const Samples samples = random_ties(rng, 2);
            const auto& [a, b, anomalous] = std::tie(samples.first, samples.second, samples.anomalous);
            const double variance = naive_covariance(a, a, anomalous);
            const Interval interval = auroc_interval(a, anomalous, 0.9);
            CHECK(interval.value == about(by_pairs(a, anomalous)));
            CHECK(interval.standard_error == about(std::sqrt(variance), 1e-10));
            CHECK(interval.low == about(std::max(0.0, interval.value - z * std::sqrt(variance)), 1e-10));
            CHECK(interval.high == about(std::min(1.0, interval.value + z * std::sqrt(variance)), 1e-10));

            const double error = std::sqrt(
                std::max(0.0, variance + naive_covariance(b, b, anomalous) - 2 * naive_covariance(a, b, anomalous)));
            if (error < 1e-7) {
                CHECK_THROWS_AS(auroc_difference(samples), ValueError);
                continue;
            }
            const Comparison test = auroc_difference(samples, 0.9);
            const double difference = by_pairs(a, anomalous) - by_pairs(b, anomalous);
            CHECK(std::abs(test.value - difference) < 1e-14);
            CHECK(test.standard_error == about(error, 1e-10));
            CHECK(std::abs(test.low - (difference - z * error)) < 1e-12);
            CHECK(std::abs(test.high - (difference + z * error)) < 1e-12);
            CHECK(-normal_quantile(test.p_greater) == doctest::Approx(difference / error).epsilon(1e-9));
            CHECK(-normal_quantile(test.p_two_sided / 2) ==
                  doctest::Approx(std::abs(difference) / error).epsilon(1e-9));
        }
    }

    TEST_CASE("DeLong where nothing varies") {
        const Labels labels{0, 0, 0, 1, 1, 1, 1};
        const Values apart{-infinity, 1, 2, 3, 4, 5, infinity}, also_apart{0, 0, 0, 1, 1, 1, 2}, tied(7, 3.0);
        const Interval perfect = auroc_interval(apart, labels), none = auroc_interval(tied, labels);
        CHECK(perfect.value == 1);
        CHECK(perfect.standard_error == 0);
        CHECK(perfect.low == 1);
        CHECK(none.value == 0.5);
        CHECK(none.standard_error == 0);
        CHECK(throws_naming<ValueError>([&] { auroc_difference({apart, also_apart, labels}); }, {"difference 0"}));
        CHECK_THROWS_AS(auroc_difference({apart, tied, labels}), ValueError);
    }

    TEST_CASE("DeLong: 95 % intervals cover the truth, and equal scores are told apart 1 time in 10 at p < 0.1") {
        Rng rng(3);
        int covered = 0, rejected = 0, one_sided = 0;
        for (int round = 0; round < 1000; ++round) {
            const Samples samples = random_normals(rng, 60, 30, 1, 1);
            const Interval interval = auroc_interval(samples.first, samples.anomalous);
            covered += interval.low <= true_auroc(1) && true_auroc(1) <= interval.high;
            const Comparison test = auroc_difference(samples);
            rejected += test.p_two_sided < 0.1;
            one_sided += test.p_greater < 0.1;
        }
        MESSAGE("of 1000: covered ", covered, ", two-sided ", rejected, ", one-sided ", one_sided);
        CHECK(std::abs(covered - 945) < 25);
        CHECK(std::abs(rejected - 100) < 35);
        CHECK(std::abs(one_sided - 100) < 35);
    }

    TEST_CASE("a resample keeps the labels and draws within each class, the same samples for both scores") {
        Samples samples;
        for (std::size_t i = 0; i < 30; ++i) {
            const bool anomaly = i % 3 == 0;
            samples.first.push_back(static_cast<double>(i) + (anomaly ? 100 : 0));
            samples.second.push_back(samples.first[i] + 1000);
            samples.anomalous.push_back(anomaly);
        }
        std::vector<Values> seen;
        const auto spy = [&](std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
            CHECK(std::ranges::equal(anomalous, samples.anomalous));
            seen.emplace_back(scores.begin(), scores.end());
            return 0.0;
        };
        Rng rng(4);
        bootstrap_difference(spy, samples, rng, 400);
        REQUIRE(seen.size() == 2 * 401);
        CHECK(seen[0] == samples.first);
        CHECK(seen[1] == samples.second);
        std::vector<int> drawn(30);
        for (std::size_t k = 2; k < seen.size(); k += 2)
            for (std::size_t i = 0; i < 30; ++i) {
                CHECK(seen[k + 1][i] == seen[k][i] + 1000);
                const std::size_t source = static_cast<std::size_t>(seen[k][i]) % 100;
                CHECK((seen[k][i] >= 100) == (samples.anomalous[i] != 0));
                ++drawn.at(source);
            }
        for (const int times : drawn) CHECK(std::abs(times - 400) < 100); // 5 standard deviations
    }

    TEST_CASE("percentile intervals and p values of known draws") {
        const Values scores{1, 2, 3, 4};
        const Labels labels{0, 0, 1, 1};
        Rng rng(5);
        Values values{50};
        for (int i = 100; i >= 0; --i) values.push_back(i);
        const Interval interval = bootstrap_interval(scripted(values), scores, labels, rng, 101);
        CHECK(interval.value == 50);
        CHECK(interval.low == about(2.5));
        CHECK(interval.high == about(97.5));
        CHECK(interval.standard_error == about(std::sqrt((101.0 * 101 - 1) / 12 * 101 / 100)));
        const Interval between = bootstrap_interval(scripted({0, 3, 1, 2}), scores, labels, rng, 3, 0.5);
        CHECK(between.low == about(1.5));
        CHECK(between.high == about(2.5));

        // First and second in turn; the differences of nine resamples are -1, 0 .. 7.
        const Values pairs{5, 2, -1, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0};
        const Comparison test = bootstrap_difference(scripted(pairs), {scores, scores, labels}, rng, 9, 0.5);
        CHECK(test.value == 3);
        CHECK(test.low == about(1));
        CHECK(test.high == about(5));
        CHECK(test.p_greater == about(0.3));
        CHECK(test.p_two_sided == about(0.6));

        CHECK_THROWS_AS(bootstrap_interval(auroc, scores, labels, rng, 1), ValueError);
        CHECK_THROWS_AS(bootstrap_difference(auroc, std::span<const PairedScores>{}, rng), ValueError);
        for (const double wrong : {not_a_number, infinity})
            CHECK_THROWS_AS(bootstrap_interval(scripted({0, 0, wrong}), scores, labels, rng, 2), ValueError);
    }

    TEST_CASE("the bootstrap agrees with DeLong, pairing and averages over sets included") {
        Rng rng(6);
        std::vector<Samples> samples;
        for (const std::size_t n : std::vector<std::size_t>{80, 60, 100})
            samples.push_back(random_normals(rng, n, n / 2, 1.2, 0.8));
        const std::vector<PairedScores> sets(samples.begin(), samples.end());

        const Interval expected = auroc_interval(sets[0].first, sets[0].anomalous);
        const Interval interval = bootstrap_interval(auroc, sets[0].first, sets[0].anomalous, rng, 1000);
        CHECK(interval.value == about(expected.value));
        CHECK(std::abs(interval.standard_error / expected.standard_error - 1) < 0.1);
        CHECK(std::abs(interval.low - expected.low) < 0.4 * expected.standard_error);
        CHECK(std::abs(interval.high - expected.high) < 0.4 * expected.standard_error);

        double mean = 0, variance = 0;
        for (const PairedScores& set : sets) {
            const Comparison one = auroc_difference(set);
            mean += one.value / 3;
            variance += one.standard_error * one.standard_error / 9;
        }
        const Comparison test = bootstrap_difference(auroc, sets, rng, 1000);
        CHECK(test.value == about(mean));
        const double error = std::sqrt(variance);
        CHECK(std::abs(test.standard_error / error - 1) < 0.1);
        CHECK(std::abs(test.low - (mean - 1.96 * error)) < 0.3 * error);
        CHECK(std::abs(test.high - (mean + 1.96 * error)) < 0.3 * error);
        CHECK(test.p_greater < 0.01);

        // The sets are drawn independently, even of the same samples.
        const double once = bootstrap_difference(auroc, sets[1], rng, 1000).standard_error;
        const double twice =
            bootstrap_difference(auroc, std::vector<PairedScores>{sets[1], sets[1]}, rng, 1000).standard_error;
        CHECK(std::abs(twice / once - std::numbers::sqrt2 / 2) < 0.07);
    }

    TEST_CASE("the same seed gives the same bootstrap; one set is a span of one; lambdas are metrics") {
        Rng rng(7);
        const Samples samples = random_normals(rng, 30, 20, 1, 0.5);
        const std::vector<PairedScores> sets{samples};
        Rng one(8), two(8), three(8);
        const auto f1 = [](auto scores, auto anomalous) { return best_f1(scores, anomalous).f1(); };
        const Comparison a = bootstrap_difference(f1, samples, one, 50);
        const Comparison b = bootstrap_difference(f1, sets, two, 50);
        CHECK(a.low == b.low);
        CHECK(a.high == b.high);
        CHECK(a.p_two_sided == b.p_two_sided);
        CHECK(one == two);
        CHECK(a.value == f1(samples.first, samples.anomalous) - f1(samples.second, samples.anomalous));

        const Comparison same =
            bootstrap_difference(auroc, {samples.first, samples.first, samples.anomalous}, three, 50);
        CHECK(same.low == 0);
        CHECK(same.high == 0);
        CHECK(same.p_greater == 1);
        CHECK(same.p_two_sided == 1);
    }

    TEST_CASE("bootstrap: 90 % intervals cover the truth, and equal scores are told apart 1 time in 10 at p < 0.1") {
        Rng rng(9);
        int covered = 0, rejected = 0;
        for (int round = 0; round < 200; ++round) {
            const Samples a = random_normals(rng, 25, 25, 1, 1), b = random_normals(rng, 20, 15, 0.7, 0.7);
            const Interval interval = bootstrap_interval(auroc, a.first, a.anomalous, rng, 100, 0.9);
            covered += interval.low <= true_auroc(1) && true_auroc(1) <= interval.high;
            rejected += bootstrap_difference(auroc, std::vector<PairedScores>{a, b}, rng, 100).p_two_sided < 0.1;
        }
        MESSAGE("of 200: covered ", covered, ", two-sided ", rejected);
        CHECK(std::abs(covered - 180) < 17); // 4 standard deviations
        CHECK(std::abs(rejected - 20) < 17);
    }
}
