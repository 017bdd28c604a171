// False alarms: p-values, thresholds and false discoveries, against plain definitions and by simulation.
#include "random_tensors.hpp"
#include "score_distributions.hpp"

#include <gradcon/evaluation/calibration.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

using namespace gradcon;
using namespace score_distributions;

namespace {

double naive_p_value(const Values& normal, double score) {
    double as_high = 1;
    for (const double other : normal) as_high += other >= score ? 1 : 0;
    return as_high / static_cast<double>(normal.size() + 1);
}

} // namespace

TEST_SUITE("calibration") {
    TEST_CASE("p-values by counting, ties and infinities included") {
        const Calibration calibration({3, 1, 2, 2, 5}, 0.25);
        CHECK(calibration.size() == 5);
        CHECK_FALSE(calibration.empty());
        CHECK(calibration.normal_scores() == Values{1, 2, 2, 3, 5});
        CHECK(calibration.false_alarm_rate() == 0.25);
        CHECK(calibration.p_value(-infinity) == 1);
        CHECK(calibration.p_value(1) == 1);
        CHECK(calibration.p_value(1.5) == doctest::Approx(5.0 / 6));
        CHECK(calibration.p_value(2) == doctest::Approx(5.0 / 6));
        CHECK(calibration.p_value(5) == doctest::Approx(2.0 / 6));
        for (const double strange : {5.1, infinity, not_a_number, -not_a_number})
            CHECK(calibration.p_value(strange) == doctest::Approx(1.0 / 6));

        Rng rng(1);
        for (int round = 0; round < 200; ++round) {
            const auto& distribution = distributions[random_index(rng, distributions.size())];
            const Values normal = draws(distribution, 1 + random_index(rng, 50), rng);
            for (const double score : draws(distribution, 20, rng))
                CHECK(Calibration(normal).p_value(score) == doctest::Approx(naive_p_value(normal, score)));
        }
    }

    TEST_CASE("a score reaches the threshold of a rate exactly if its p-value is at most the rate") {
        Rng rng(2);
        std::size_t alarms = 0, others = 0;
        for (int round = 0; round < 600; ++round) {
            // Levels -2 .. 2, and numbers beside them.
            const std::size_t n = 1 + random_index(rng, 40), hundredths = 1 + random_index(rng, 99);
            Values normal, scores{-infinity, -1e308, 1e308, 0.0, -0.0, smallest, -smallest, 1e-310};
            for (std::size_t i = 0; i < n; ++i) normal.push_back(static_cast<double>(random_index(rng, 5)) - 2);
            if (round % 3 == 0) normal[0] = smallest, normal.back() = -smallest;
            if (round % 5 == 0) normal[0] = std::numeric_limits<double>::max();
            for (const double value : normal)
                for (const double towards : {-infinity, value, infinity})
                    scores.push_back(std::nextafter(value, towards));
            const double rate = static_cast<double>(hundredths) / 100;
            const Calibration calibration(normal, rate);
            const double threshold = calibration.threshold(rate);
            CHECK(threshold == calibration.threshold());
            for (const double score : scores) {
                // In integers: p = as_high / (n + 1) <= hundredths / 100.
                const double as_high = std::round(calibration.p_value(score) * static_cast<double>(n + 1));
                const bool alarm = 100 * as_high <= static_cast<double>(hundredths * (n + 1));
                if (is_finite(score)) CHECK(calibration.is_anomalous(score) == alarm);
                else CHECK(calibration.is_anomalous(score) == (score > 0)); // whatever the rate
                // Tiny numbers are 0, also for a caller who compares.
                const double seen = std::abs(score) < smallest ? 0 : score;
                CHECK((seen >= threshold) == calibration.is_anomalous(score));
                ++(alarm ? alarms : others);
            }
        }
        CHECK(alarms > 5000);
        CHECK(others > 5000);
    }

    TEST_CASE("rates that are met exactly are met; with fewer samples there is no alarm") {
        CHECK(samples_needed(0.5) == 1);
        CHECK(samples_needed(0.1) == 9);
        CHECK(samples_needed(0.01) == 99);
        CHECK(samples_needed(0.3) == 3);
        CHECK(samples_needed(0.99) == 1);
        CHECK(samples_needed(1e-300) == std::size_t{1} << 63);
        for (std::size_t n = 1; n < 300; ++n) {
            Values normal(n);
            std::iota(normal.begin(), normal.end(), 1.0);
            // k of n + 1 are the rate: the threshold is just above the k-th largest.
            for (std::size_t k = 1; k <= n; k += 1 + n / 10) {
                const double rate = static_cast<double>(k) / static_cast<double>(n + 1);
                const Calibration calibration(normal);
                const double last = static_cast<double>(n + 1 - k);
                for (const double near : {rate, std::nextafter(rate, 0), rate + 1e-9}) {
                    CHECK(calibration.threshold(near) > last);
                    CHECK(calibration.threshold(near) < last + 1e-9);
                }
                CHECK(calibration.threshold(rate - 1e-9) > last + 0.5);
                CHECK((calibration.threshold(rate - 1e-9) > 1e308) == (k == 1));
            }
            CHECK(samples_needed(1 / static_cast<double>(n + 1)) == n);
            CHECK(samples_needed(1 / static_cast<double>(n + 1) - 1e-9) == n + 1);
        }
        const Calibration few(Values(98, 1.0));
        CHECK_FALSE(few.is_anomalous(1e308));
        CHECK(few.is_anomalous(infinity));
        CHECK(Calibration(Values(99, 1.0)).is_anomalous(std::nextafter(1.0, 2.0)));
        CHECK_FALSE(Calibration(Values(99, 1.0)).is_anomalous(1));
        CHECK(Calibration({1, 2}).threshold(std::nextafter(1.0, 0.0)) == std::nextafter(1.0, 2.0)); // p = 1 is above
    }

    TEST_CASE("thresholds and rates of one's own") {
        Values normal(199);
        std::iota(normal.begin(), normal.end(), 1.0);
        const Calibration calibration(normal, 0.05);
        CHECK_FALSE(calibration.own_threshold());
        CHECK(calibration.threshold() == std::nextafter(190.0, 200.0));
        const Calibration own = calibration.with_threshold(17);
        CHECK(own.own_threshold() == 17.0);
        CHECK(own.threshold() == 17);
        CHECK(own.threshold(0.05) == calibration.threshold());
        CHECK(own.is_anomalous(17));
        CHECK_FALSE(own.is_anomalous(16.9));
        CHECK(own.p_value(17) == calibration.p_value(17));
        CHECK_FALSE(calibration.own_threshold());
        const Calibration other = own.with_false_alarm_rate(0.1);
        CHECK_FALSE(other.own_threshold());
        CHECK(other.false_alarm_rate() == 0.1);
        CHECK(other.threshold() == std::nextafter(180.0, 200.0));

        const Calibration uncalibrated = Calibration().with_threshold(-1);
        CHECK(uncalibrated.empty());
        CHECK(uncalibrated.is_anomalous(-1));
        CHECK_FALSE(uncalibrated.is_anomalous(-2));
        const Calibration never = Calibration().with_threshold(infinity);
        CHECK_FALSE(never.is_anomalous(1e308));
        for (const Calibration& any : {calibration, own, uncalibrated, never}) {
            CHECK(any.is_anomalous(not_a_number));
            CHECK(any.is_anomalous(-not_a_number));
            CHECK(any.is_anomalous(infinity));
            CHECK_FALSE(any.is_anomalous(-infinity));
        }
    }

    TEST_CASE("false alarms of fresh normal samples are as rare as promised, whatever the distribution") {
        // A calibration set and one sample each: independent events of probability floor(a (n + 1)) / (n + 1).
        constexpr std::size_t rounds = 4000;
        Rng rng(3);
        for (const auto& distribution : distributions)
            for (const std::size_t n : std::vector<std::size_t>{57, 199}) {
                CAPTURE(distribution.name);
                CAPTURE(n);
                const Values rates{0.01, 0.05, 0.1};
                Values alarms(rates.size(), 0);
                for (std::size_t round = 0; round < rounds; ++round) {
                    const Calibration calibration(draws(distribution, n, rng));
                    const double score = distribution.draw(rng);
                    for (std::size_t a = 0; a < rates.size(); ++a) {
                        const bool alarm = score >= calibration.threshold(rates[a]);
                        if (alarm != (calibration.p_value(score) <= rates[a] * (1 + 1e-12))) FAIL_CHECK(score);
                        alarms[a] += alarm ? 1 : 0;
                    }
                }
                for (std::size_t a = 0; a < rates.size(); ++a) {
                    const double size = static_cast<double>(n + 1), count = static_cast<double>(rounds);
                    const double probability = std::floor(rates[a] * size + 1e-9) / size;
                    CAPTURE(rates[a]);
                    CHECK(alarms[a] <= count * probability + reach(probability, rounds));
                    if (!distribution.has_ties) CHECK(alarms[a] >= count * probability - reach(probability, rounds));
                }
            }
    }

    TEST_CASE("where one calibration set's rate lies: exact figures") {
        struct Expected {
            std::size_t n;
            double rate, confidence, value, low, high;
        };
        // Beta quantiles from binomial sums in 40 digits.
        const std::vector<Expected> cases{
            {1, 0.5, 0.95, 0.5, 0.025, 0.975},
            {1, 0.5, 0.5, 0.5, 0.25, 0.75},
            {9, 0.1, 0.95, 0.1, 0.002809136746599214, 0.3362671168799429},
            {99, 0.01, 0.5, 0.01, 0.0029016615384610312, 0.013905387740632203},
            {99, 0.1, 0.95, 0.1, 0.0495108722086629, 0.16556897574201032},
            {199, 0.05, 0.95, 0.05, 0.02435727131620756, 0.08411463700173501},
            {499, 0.01, 0.95, 0.01, 0.003261259519266423, 0.020396169939377044},
            {999, 0.01, 0.5, 0.01, 0.007738571185764475, 0.011908366070781135},
            {57, 0.1, 0.95, 0.08620689655172414, 0.02909858281710238, 0.1700398199586414},
            {19, 0.99, 0.95, 0.95, 0.8235330881930346, 0.9986683711958205},
        };
        for (const auto& expected : cases) {
            CAPTURE(expected.n);
            const Interval interval =
                Calibration(Values(expected.n, 1.0)).false_alarm_interval(expected.rate, expected.confidence);
            CHECK(interval.value == doctest::Approx(expected.value).epsilon(1e-14));
            CHECK(interval.low == doctest::Approx(expected.low).scale(0).epsilon(1e-12));
            CHECK(interval.high == doctest::Approx(expected.high).scale(0).epsilon(1e-12));
        }
        const Interval none = Calibration(Values(98, 1.0)).false_alarm_interval(0.01);
        CHECK(none.value == 0);
        CHECK(none.high == 0);
        CHECK(none.low == 0);
        CHECK(none.standard_error == 0);

        for (const double x : {1e-6, 0.01, 0.5, 0.9, 1 - 1e-6}) {
            CHECK(detail::binomial_tail(20, 0, x) == 1);
            CHECK(detail::binomial_tail(20, 20, x) == doctest::Approx(std::pow(x, 20)).scale(0).epsilon(1e-12));
            CHECK(detail::binomial_tail(20, 1, x) == doctest::Approx(-std::expm1(20 * std::log1p(-x))).epsilon(1e-12));
            CHECK(detail::binomial_tail(20, 7, x) ==
                  doctest::Approx(1 - detail::binomial_tail(20, 14, 1 - x)).epsilon(1e-12));
        }
        // Many samples: nearly normal, with the standard error.
        const Interval many = Calibration(Values(99999, 1.0)).false_alarm_interval(0.01);
        CHECK(many.standard_error == doctest::Approx(std::sqrt(0.01 * 0.99 / 100001)).epsilon(1e-12));
        CHECK(std::abs((many.high - many.low) / (2 * 1.959964 * many.standard_error) - 1) < 1e-3);
    }

    TEST_CASE("where one calibration set's rate lies: it does in 9 sets of 10, and never more with ties") {
        constexpr std::size_t rounds = 4000;
        Rng rng(4);
        std::size_t inside = 0, above = 0, tied_above = 0;
        Mean rate;
        const Interval interval = Calibration(Values(149, 1.0)).false_alarm_interval(0.05, 0.9);
        for (std::size_t round = 0; round < rounds; ++round) {
            Values scores = random_values<double>(149, rng, 0, 1);
            const Calibration calibration(scores);
            const double truth = 1 - calibration.threshold(0.05); // of uniform scores
            inside += interval.low <= truth && truth <= interval.high;
            above += truth > interval.high;
            rate.add(truth);
            for (double& score : scores) score = std::floor(20 * score) / 20;
            // P(score >= threshold), the threshold being just above one of 0, 0.05, ..., 0.95
            const double tied_truth = 0.95 - std::floor(20 * Calibration(scores).threshold(0.05) + 1e-6) / 20;
            tied_above += tied_truth > interval.high;
        }
        const double count = static_cast<double>(rounds);
        MESSAGE("of ", rounds, ": inside ", inside, ", above ", above, ", with ties ", tied_above);
        CHECK(std::abs(static_cast<double>(inside) - 0.9 * count) < reach(0.9, rounds));
        CHECK(std::abs(static_cast<double>(above) - 0.05 * count) < reach(0.05, rounds));
        CHECK(static_cast<double>(tied_above) < 0.05 * count + reach(0.05, rounds));
        CHECK(std::abs(rate.value() - 7.0 / 150) < rate.reach());
    }

    TEST_CASE("Benjamini and Hochberg: the definition, in integers") {
        Rng rng(5);
        std::size_t named = 0;
        for (int round = 0; round < 500; ++round) {
            const std::size_t m = random_index(rng, 30), size = 1 + random_index(rng, 100);
            const std::size_t hundredths = 1 + random_index(rng, 60), top = 1 + random_index(rng, size);
            std::vector<std::size_t> parts(m); // p = part / size
            Values p_values(m);
            for (std::size_t i = 0; i < m; ++i) {
                parts[i] = random_index(rng, top + 1);
                p_values[i] = static_cast<double>(parts[i]) / static_cast<double>(size);
            }
            const auto anomalous = benjamini_hochberg(p_values, static_cast<double>(hundredths) / 100);
            REQUIRE(anomalous.size() == m);
            for (std::size_t i = 0; i < m; ++i) {
                // Is there an r with p_i <= q r / m, and r p-values or more that are?
                bool expected = false;
                for (std::size_t r = 1; r <= m; ++r) {
                    const auto small = [&](std::size_t part) { return 100 * m * part <= hundredths * r * size; };
                    expected |= small(parts[i]) && std::ranges::count_if(parts, small) >= static_cast<long>(r);
                }
                CHECK(anomalous[i] == (expected ? 1 : 0));
                named += anomalous[i];
            }
        }
        CHECK(named > 500);
        // The example of the paper, section 3.2: four at 0.05.
        const Values paper{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                           0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0};
        const auto of_paper = benjamini_hochberg(paper, 0.05);
        CHECK(std::accumulate(of_paper.begin(), of_paper.end(), 0) == 4);
        CHECK(of_paper[3] == 1);
        CHECK(benjamini_hochberg(Values{1, 1}, 0.99) == std::vector<std::uint8_t>{0, 0});
        CHECK(benjamini_hochberg({}, 0.1).empty());
    }

    TEST_CASE("Benjamini and Hochberg with one calibration set: few of those named are normal") {
        Rng rng(6);
        Mean false_share, found;
        for (int round = 0; round < 1000; ++round) {
            const Calibration calibration(draws(distributions[0], 500, rng));
            Values p_values;
            for (std::size_t i = 0; i < 50; ++i)
                p_values.push_back(calibration.p_value(standard_normal(rng) + (i < 10 ? 4 : 0)));
            const auto named = benjamini_hochberg(p_values, 0.2);
            const double right = std::accumulate(named.begin(), named.begin() + 10, 0.0);
            const double wrong = std::accumulate(named.begin() + 10, named.end(), 0.0);
            false_share.add(wrong / std::max(1.0, right + wrong));
            found.add(right / 10);
        }
        MESSAGE("false: ", false_share.value(), " +- ", false_share.reach(), ", found: ", found.value());
        CHECK(false_share.value() < 0.16 + false_share.reach()); // 0.2 times the share of the normal ones
        CHECK(false_share.value() > 0.12);
        CHECK(found.value() > 0.9);
    }

    TEST_CASE("mistakes are errors, by name") {
        CHECK(throws_naming<ValueError>([] { Calibration(Values{}); }, {"Calibration", "one normal sample", "0"}));
        CHECK(throws_naming<ValueError>([] { Calibration({1, not_a_number}); }, {"Calibration", "score 1", "nan"}));
        CHECK(throws_naming<ValueError>([] { Calibration({infinity, 1}); }, {"score 0", "not finite", "inf"}));
        CHECK(throws_naming<ValueError>([] { Calibration({1, 2, -infinity}); }, {"score 2", "-inf"}));
        const Calibration calibration({1, 2, 3});
        for (const double wrong : {0.0, -0.5, 1.0, 1.5, infinity, not_a_number}) {
            const std::string given = message("given: ", wrong);
            const auto names = [&](const char* who, const char* what, auto&& action) {
                CHECK(throws_naming<ValueError>(action, {who, what, given}));
            };
            names("Calibration:", "0 < false_alarm_rate < 1", [&] { Calibration({1, 2}, wrong); });
            names("samples_needed", "0 < false_alarm_rate < 1", [&] { samples_needed(wrong); });
            names("with_false_alarm_rate", "0 < rate < 1", [&] { calibration.with_false_alarm_rate(wrong); });
            names("Calibration::threshold", "0 < rate < 1", [&] { calibration.threshold(wrong); });
            names("false_alarm_interval", "0 < rate < 1", [&] { calibration.false_alarm_interval(wrong); });
            names("false_alarm_interval", "0 < confidence < 1", [&] { calibration.false_alarm_interval(0.1, wrong); });
            names("benjamini_hochberg", "0 < false_discovery_rate < 1", [&] { benjamini_hochberg({}, wrong); });
        }
        CHECK(throws_naming<ValueError>([&] { calibration.with_threshold(not_a_number); },
                                        {"with_threshold", "not a number"}));
        const Calibration none;
        CHECK(none.empty());
        CHECK(none.size() == 0);
        CHECK(none.false_alarm_rate() == 0.01);
        CHECK(throws_naming<ValueError>([&] { none.p_value(1); }, {"p_value", "no normal scores"}));
        CHECK(throws_naming<ValueError>([&] { none.threshold(); }, {"threshold", "no normal scores"}));
        CHECK(throws_naming<ValueError>([&] { none.threshold(0.1); }, {"threshold", "no normal scores"}));
        CHECK(throws_naming<ValueError>([&] { none.is_anomalous(1); }, {"no normal scores"}));
        CHECK(throws_naming<ValueError>([&] { none.is_anomalous(not_a_number); }, {"no normal scores"}));
        CHECK(throws_naming<ValueError>([&] { none.false_alarm_interval(0.1); }, {"interval", "no normal scores"}));
        for (const double wrong : {-0.1, 1.1, infinity, not_a_number})
            CHECK(throws_naming<ValueError>(
                [&] {
                    benjamini_hochberg(Values{0.5, wrong}, 0.1);
                },
                {"benjamini_hochberg", message("p-value 1 is ", wrong)}));
    }
}
