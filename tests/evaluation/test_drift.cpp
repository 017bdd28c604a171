// Drift of a stream of scores: against plain definitions and by simulation.
#include "random_tensors.hpp"
#include "score_distributions.hpp"

#include <gradcon/evaluation/drift.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

using namespace gradcon;
using namespace score_distributions;

namespace {

/// The distance at every score, by the definition.
std::uint64_t naive_distance(const Values& first, const Values& second) {
    std::int64_t largest = 0;
    for (const Values* scores : {&first, &second})
        for (const double at : *scores) {
            const auto below = [&](const Values& values) {
                return std::ranges::count_if(values, [&](double value) { return value <= at; });
            };
            largest = std::max(largest, std::abs(below(first) * static_cast<std::int64_t>(second.size()) -
                                                 below(second) * static_cast<std::int64_t>(first.size())));
        }
    return static_cast<std::uint64_t>(largest);
}

/// How many orders of n + m scores have each distance.
std::map<std::uint64_t, double> orders_by_distance(std::size_t n, std::size_t m) {
    Values ranks(n + m);
    std::iota(ranks.begin(), ranks.end(), 0.0);
    std::vector<int> in_second(n + m, 0);
    std::fill(in_second.begin() + static_cast<std::ptrdiff_t>(n), in_second.end(), 1);
    std::map<std::uint64_t, double> orders;
    do {
        Values first, second;
        for (std::size_t i = 0; i < n + m; ++i) (in_second[i] ? second : first).push_back(ranks[i]);
        ++orders[naive_distance(first, second)];
    } while (std::ranges::next_permutation(in_second).found);
    return orders;
}

} // namespace

TEST_SUITE("drift") {
    TEST_CASE("Kolmogorov and Smirnov: all orders of few scores") {
        for (std::size_t n = 1; n <= 7; ++n)
            for (std::size_t m = 1; m <= 6; ++m) {
                CAPTURE(n);
                CAPTURE(m);
                const auto orders = orders_by_distance(n, m);
                double all = 0, as_far = 0;
                for (const auto& [distance, count] : orders) all += count;
                for (std::uint64_t distance = n * m + 1; distance-- > 0;) {
                    if (orders.contains(distance)) as_far += orders.at(distance);
                    CHECK(detail::kolmogorov_smirnov_tail(n, m, distance) ==
                          doctest::Approx(as_far / all).epsilon(1e-13));
                }
            }
    }

    TEST_CASE("Kolmogorov and Smirnov: exact figures") {
        struct Expected {
            std::uint64_t n, m, distance;
            double p;
        };
        // Paths counted in whole numbers; 10 and 10 are SciPy's ks_2samp too.
        const std::vector<Expected> cases{
            {10, 10, 60, 0.05244755244755245},         {10, 10, 70, 0.012340600575894693},
            {100, 37, 500, 0.6464165268242571},        {100, 37, 1200, 0.004920684950763766},
            {37, 100, 1200, 0.004920684950763766},     {100, 37, 3000, 1.1613138714079676e-18},
            {250, 100, 2500, 0.4497860672408746},      {250, 100, 4000, 0.04710680092642667},
            {250, 100, 15000, 1.6136140762134954e-24}, {7, 5, 18, 0.3282828282828283},
            {13, 8, 60, 0.03902894491129785},          {1000, 50, 9000, 0.08138785794943665},
            {1000, 50, 30000, 8.153792822272805e-17},  {1, 9, 9, 0.2},
            {4, 200, 500, 0.054582788665473066},
        };
        for (const auto& expected : cases) {
            CAPTURE(expected.n);
            CAPTURE(expected.distance);
            CHECK(detail::kolmogorov_smirnov_tail(expected.n, expected.m, expected.distance) ==
                  doctest::Approx(expected.p).scale(0).epsilon(1e-12));
        }
        // Two samples of n (Gnedenko and Korolyuk, 1951): twice the alternating sum of C(2n, n - j k) / C(2n, n).
        constexpr std::uint64_t n = 300;
        for (const std::uint64_t k : std::vector<std::uint64_t>{5, 20, 40, 100, 300}) {
            double sum = 0;
            for (std::uint64_t j = 1; j * k <= n; ++j) {
                double ratio = 2;
                for (std::uint64_t i = 1; i <= j * k; ++i)
                    ratio *= static_cast<double>(n - j * k + i) / static_cast<double>(n + i);
                sum += j % 2 ? ratio : -ratio;
            }
            CHECK(detail::kolmogorov_smirnov_tail(n, n, k * n) == doctest::Approx(sum).scale(0).epsilon(1e-11));
        }
    }

    TEST_CASE("the critical distance is the smallest that is rare enough") {
        Rng rng(7);
        for (int round = 0; round < 200; ++round) {
            const std::uint64_t n = 1 + random_index(rng, 60), m = 1 + random_index(rng, 40), unit = std::gcd(n, m);
            const double rate = std::pow(10, uniform(rng, -6, -0.1));
            const std::uint64_t critical = detail::critical_distance(n, m, rate);
            CAPTURE(n);
            CAPTURE(m);
            CAPTURE(rate);
            CHECK(critical % unit == 0);
            CHECK(detail::kolmogorov_smirnov_tail(n, m, critical - unit) > rate);
            if (critical <= n * m) CHECK(detail::kolmogorov_smirnov_tail(n, m, critical) <= rate);
            else CHECK(critical == n * m + unit);
        }
        CHECK(detail::critical_distance(3, 3, 0.1) == 9); // 2 of 20 orders: met exactly
        CHECK(detail::critical_distance(3, 3, 0.0999) == 12);
        const Calibration calibration(draws(distributions[0], 1000, rng));
        const DriftMonitor monitor(calibration);
        CHECK(monitor.critical_distance() == doctest::Approx(0.122));
        CHECK(monitor.options().window == 500);
        CHECK(monitor.options().false_alarm_rate == 1e-4);
    }

    TEST_CASE("windows of a stream: distances, p-values and alarms by their definitions") {
        Rng rng(8);
        std::size_t alarms = 0;
        for (int round = 0; round < 200; ++round) {
            const auto& distribution = distributions[random_index(rng, distributions.size())];
            const Values normal = draws(distribution, 20 + random_index(rng, 40), rng);
            const DriftOptions options{.window = 10 + random_index(rng, 20), .false_alarm_rate = 0.02};
            DriftMonitor monitor(Calibration(normal), options);
            CHECK(monitor.distance() == 0);
            CHECK(monitor.p_value() == 1);
            for (std::size_t window = 1; window <= 3; ++window) {
                Values scores = draws(distribution, options.window, rng);
                for (double& score : scores) score += static_cast<double>(window) - 1;
                bool alarm = false;
                for (const double score : scores) {
                    CHECK_FALSE(alarm);
                    CHECK(monitor.windows() == window - 1);
                    alarm = monitor.add(score);
                }
                const std::uint64_t distance = naive_distance(normal, scores);
                CHECK(monitor.windows() == window);
                CHECK(monitor.distance() == doctest::Approx(static_cast<double>(distance) /
                                                            static_cast<double>(normal.size() * scores.size())));
                CHECK(monitor.p_value() == detail::kolmogorov_smirnov_tail(normal.size(), options.window, distance));
                CHECK(alarm == (monitor.p_value() <= 0.02));
                CHECK(alarm == (monitor.distance() >= monitor.critical_distance() - 1e-12));
                alarms += alarm;
            }
            monitor.add(1);
            monitor.reset();
            CHECK(monitor.windows() == 0);
            CHECK(monitor.distance() == 0);
            for (std::size_t i = 1; i < options.window; ++i) monitor.add(1);
            CHECK(monitor.windows() == 0);
            monitor.add(1);
            CHECK(monitor.windows() == 1);
        }
        CHECK(alarms > 100);
        CHECK(alarms < 400);
    }

    TEST_CASE("scores that are no numbers count as the largest, tiny ones as 0") {
        const Calibration calibration({-1, 0, 0, 1, 2, 3});
        const auto distance = [&](const Values& scores) {
            DriftMonitor monitor(calibration, {.window = scores.size(), .false_alarm_rate = 0.5});
            for (const double score : scores) monitor.add(score);
            return monitor.distance();
        };
        CHECK(distance({not_a_number, -not_a_number, infinity, not_a_number}) == 1);
        CHECK(distance({-infinity, -infinity, -infinity, -infinity}) == 1);
        CHECK(distance({not_a_number, -1, 1, 2}) == distance({99, -1, 1, 2}));
        CHECK(distance({not_a_number, -1, infinity, 0}) == distance({99, -1, 99, 0}));
        CHECK(distance({1e-310, -0.0, 0.0, -1e-310}) == distance({0, 0, 0, 0}));
        CHECK(Calibration({-0.0, 1e-310, -1e-310}).normal_scores() == Values{0, 0, 0});
    }

    TEST_CASE("false alarms of drift are as rare as promised") {
        constexpr std::size_t rounds = 2000;
        const DriftOptions options{.window = 17, .false_alarm_rate = 0.05};
        const double probability = detail::kolmogorov_smirnov_tail(40, 17, detail::critical_distance(40, 17, 0.05));
        CHECK(probability == doctest::Approx(0.0487138));
        Rng rng(9);
        for (const auto& distribution : distributions) {
            CAPTURE(distribution.name);
            std::size_t alarms = 0;
            for (std::size_t round = 0; round < rounds; ++round) {
                DriftMonitor monitor(Calibration(draws(distribution, 40, rng)), options);
                for (const double score : draws(distribution, options.window, rng)) alarms += monitor.add(score);
            }
            const double share = static_cast<double>(alarms) / static_cast<double>(rounds);
            const double bound = reach(probability, rounds) / static_cast<double>(rounds);
            CAPTURE(share);
            CHECK(share <= probability + bound);
            if (!distribution.has_ties) CHECK(share >= probability - bound);
        }
    }

    TEST_CASE("drift: many windows of one calibration set have N * rate false alarms, shifts are found") {
        Rng rng(10);
        Mean alarms;
        for (int round = 0; round < 500; ++round) {
            DriftMonitor monitor(Calibration(draws(distributions[0], 60, rng)),
                                 {.window = 20, .false_alarm_rate = 0.02});
            double count = 0;
            for (std::size_t i = 0; i < 20 * 25; ++i) count += monitor.add(standard_normal(rng)) ? 1 : 0;
            CHECK(monitor.windows() == 25);
            alarms.add(count);
        }
        MESSAGE("false alarms in 25 windows: ", alarms.value(), " +- ", alarms.reach(), " of ", 25 * 0.02);
        CHECK(alarms.value() < 25 * 0.02 + alarms.reach());
        CHECK(alarms.value() > 0.1);

        const DriftMonitor fresh(Calibration(draws(distributions[0], 1000, rng)), {.window = 200});
        const auto alarm = [&](double scale, double shift, double anomalies) {
            DriftMonitor monitor = fresh;
            bool last = false;
            for (std::size_t i = 0; i < 200; ++i)
                last = monitor.add(scale * standard_normal(rng) + shift + (uniform(rng, 0, 1) < anomalies ? 9 : 0));
            return last;
        };
        CHECK_FALSE(alarm(1, 0, 0));
        CHECK(alarm(1, 0.8, 0));
        CHECK(alarm(1, -0.8, 0));
        CHECK(alarm(3, 0, 0));
        CHECK(alarm(0.2, 0, 0));
        CHECK(alarm(1, 0, 0.4));
        CHECK_FALSE(alarm(1, 0, 0.01));
    }

    TEST_CASE("mistakes are errors, by name") {
        const Calibration calibration({1, 2, 3});
        for (const double wrong : {0.0, -0.5, 1.0, 1.5, infinity, not_a_number})
            CHECK(throws_naming<ValueError>([&] { DriftMonitor(calibration, {.false_alarm_rate = wrong}); },
                                            {"DriftMonitor", "0 < false_alarm_rate < 1", message("given: ", wrong)}));
        CHECK(throws_naming<ValueError>([] { DriftMonitor{Calibration()}; }, {"DriftMonitor", "no normal scores"}));
        CHECK(throws_naming<ValueError>([&] { DriftMonitor(calibration, {.window = 0}); }, {"window >= 1"}));
        CHECK(throws_naming<ValueError>([&] { DriftMonitor(calibration, {.window = 5}); },
                                        {"3 normal scores", "window of 5", "0.0001"}));
    }
}
