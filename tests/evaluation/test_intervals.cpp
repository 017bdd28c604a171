// How sure one can be of a metric: against plain definitions and by simulation.
#include "../golden/metrics.hpp" // SciPy's and scikit-learn's figures
#include "labelled_scores.hpp"
#include "random_tensors.hpp"

#include <gradcon/evaluation/intervals.hpp>
#include <gradcon/evaluation/metrics.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <set>
#include <tuple>

using namespace gradcon;
using namespace labelled;

namespace {

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

} // namespace

TEST_SUITE("intervals") {
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
