// What makes one number of statistics: against plain definitions.
#include "random_detector.hpp"
#include "random_scores.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace gradcon;

namespace own {
/// A rule of a user.
struct WorstTensor {
    double operator()(const Statistics& s) const { return -std::ranges::min(s.mean_cosine()); }
    Needs needs() const { return gradcon::needs(Statistic::mean_cosine); }
    const char* name() const { return "worst_tensor"; }
};
} // namespace own

namespace {

double mean_of(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v / static_cast<double>(values.size());
    return sum;
}

constexpr Statistic distance_and_cosine[]{Statistic::code_distance, Statistic::cosine};

static_assert(ScoreRule<AnyScoreRule> && ScoreRule<own::WorstTensor>);

bool fits(const AnyScoreRule& rule, const Available& available) {
    try {
        check(rule, available);
        return true;
    } catch (const ValueError&) { return false; }
}

} // namespace

TEST_SUITE("score rules") {
    TEST_CASE("plain rules read one statistic") {
        Rng rng(2);
        const Scores s = random_scores(5, rng);
        CHECK(scores_by(GradConScore{}, s) == s.score());
        CHECK(scores_by(ReconstructionScore{}, s) == s.reconstruction_error());
        CHECK(scores_by(CodeDistanceScore{}, s) == s[Statistic::code_distance]);
        CHECK(scores_by(GradientScore{}, s)[3] == s.gradient(3));
        CHECK(scores_by(FinishedAlignmentScore{}, s)[1] ==
              doctest::Approx(-(s[1].mean_cosine()[0] + s[1].mean_cosine()[1]) / 2));
        CHECK(scores_by([](const Statistics& one) { return 2 * one.reconstruction_error(); }, s)[4] ==
              2 * s.reconstruction_error()[4]);
    }

    TEST_CASE("a standardised statistic has mean 0 and variance 1 on the normal samples, and leaves constants out") {
        Rng rng(3);
        Scores s = random_scores(50, rng);
        for (std::size_t i = 0; i < 50; ++i) s[Statistic::gradient_norm][2 * i] = 0; // a dead layer
        for (const Statistic statistic : {Statistic::reconstruction_error, Statistic::cosine, Statistic::gradient_norm,
                                          Statistic::mean_cosine, Statistic::fisher_norm, Statistic::code_distance}) {
            const auto values = scores_by(StandardizedStatistic(statistic, s), s);
            double variance = 0;
            for (const double v : values) variance += v * v / 49;
            CHECK(std::abs(mean_of(values)) < 1e-12);
            CHECK(variance == doctest::Approx(1).epsilon(1e-12));
        }
        CHECK(mean_of(scores_by(StandardizedStatistic(Statistic::latent_divergence, s), s)) == 0);
        // By hand: log of one value, and minus the cosines of two tensors.
        const auto z = StandardizedStatistic(Statistic::code_distance, s)(s[7]);
        std::vector<double> logs;
        for (const double d : s[Statistic::code_distance]) logs.push_back(std::log(d));
        double square = 0;
        for (const double l : logs) square += std::pow(l - mean_of(logs), 2) / 49;
        CHECK(z == doctest::Approx((logs[7] - mean_of(logs)) / std::sqrt(square)).epsilon(1e-12));
        const auto sum = StandardizedSum::fit(distance_and_cosine, s);
        CHECK(sum(s[7]) == doctest::Approx(z + StandardizedStatistic(Statistic::cosine, s)(s[7])));
        CHECK(recommended_score(s)(s[7]) == sum(s[7]));
        auto worse = s;
        worse[Statistic::cosine][14] -= 0.5; // less aligned is stranger
        CHECK(sum(worse[7]) > sum(s[7]));
        worse[Statistic::code_distance].clear();
        CHECK(is_nan(sum(worse[7])));
        CHECK(
            throws_naming<ValueError>([&] { StandardizedSum::fit(distance_and_cosine, worse); }, {"GradientProfile"}));
        worse[Statistic::cosine].clear();
        CHECK(throws_naming<ValueError>([&] { StandardizedStatistic(Statistic::cosine, worse); }, {"lack"}));
        CHECK(throws_naming<ValueError>([&] { StandardizedSum::fit({}, s); }, {"one statistic"}));
        CHECK(throws_naming<ValueError>([&] { StandardizedStatistic(Statistic::score, s); }, {"score"}));
        CHECK(throws_naming<ValueError>([&] { StandardizedStatistic(Statistic::score, {1}, {1}, 1); }, {"score"}));
        Rng other(1);
        CHECK(throws_naming<ValueError>([&] { StandardizedSum::fit(distance_and_cosine, random_scores(1, other)); },
                                        {"2", "1"}));
    }

    TEST_CASE("conformal p-values count normal samples that are as strange, ties included") {
        Rng rng(4);
        Scores s = random_scores(9, rng);
        s[Statistic::reconstruction_error] = {1, 2, 2, 3, 4, 5, 6, 7, 8};
        const Statistic one[]{Statistic::reconstruction_error};
        const auto rule = ConformalSum::fit(one, s);
        const auto p = [&](double error) {
            Scores t = s;
            t[Statistic::reconstruction_error][0] = error;
            return std::exp(-rule(t[0]));
        };
        CHECK(p(2) == doctest::Approx(9.0 / 10));
        CHECK(p(2.5) == doctest::Approx(7.0 / 10));
        CHECK(p(9) == doctest::Approx(1.0 / 10));
        CHECK(p(0.5) == doctest::Approx(1));
        const auto two = ConformalSum::fit(distance_and_cosine, s);
        CHECK(two.normal.size() == 2);
        auto unknown = s;
        unknown[Statistic::code_distance].assign(9, std::numeric_limits<double>::quiet_NaN());
        CHECK(is_nan(two(unknown[0])));
    }

    TEST_CASE("the log-norm density is that of independent normal distributions") {
        Rng rng(6);
        const Scores s = random_scores(40, rng);
        const auto rule = LogNormDensityScore::fit(s);
        double expected = 0;
        for (std::size_t k = 0; k < 2; ++k) {
            std::vector<double> logs;
            for (std::size_t i = 0; i < 40; ++i) logs.push_back(std::log(s[i].gradient_norm()[k]));
            double variance = 0;
            for (const double l : logs) variance += std::pow(l - mean_of(logs), 2) / 39;
            expected -= std::log(std::exp(-std::pow(logs[5] - mean_of(logs), 2) / (2 * variance)) /
                                 std::sqrt(2 * std::numbers::pi * variance));
        }
        CHECK(rule(s[5]) == doctest::Approx(expected).epsilon(1e-10));
        CHECK(is_nan(LogNormDensityScore{{0, 0, 0}, {1, 1, 1}}(s[5])));
        CHECK(is_nan(LogNormDensityScore{{0}, {1}}(s[5])));
        CHECK(is_nan(LogNormDensityScore{{0, 0}, {1}}(s[5])));
    }

    TEST_CASE("a rule says what it needs, and is refused without it") {
        Rng rng(7);
        const Scores normal = random_scores(9, rng); // of two monitored tensors
        constexpr Available plain{2}, profiled{2, true}, coded{2, true, true}, other{3, true, true};
        const auto fitted = [&](Statistic statistic) { return StandardizedSum::fit(std::span(&statistic, 1), normal); };
        const auto check_fits = [&](const AnyScoreRule& rule, std::array<bool, 4> expected) {
            INFO(name_of(rule));
            CHECK(std::array{fits(rule, plain), fits(rule, profiled), fits(rule, coded), fits(rule, other)} ==
                  expected);
        };
        for (const AnyScoreRule& rule :
             {AnyScoreRule(GradConScore{}), AnyScoreRule(ReconstructionScore{}), AnyScoreRule(GradientScore{}),
              AnyScoreRule(LatentScore{}), AnyScoreRule(fitted(Statistic::reconstruction_error))})
            check_fits(rule, {true, true, true, true});
        check_fits(FinishedAlignmentScore{}, {false, true, true, true});
        check_fits(CodeDistanceScore{}, {false, false, true, true});
        check_fits(LogNormDensityScore::fit(normal), {true, true, true, false});
        check_fits(fitted(Statistic::cosine), {true, true, true, false});
        check_fits(fitted(Statistic::fisher_norm), {false, true, true, false});
        check_fits(fitted(Statistic::code_distance), {false, false, true, true});
        check_fits(recommended_score(normal), {false, false, true, false});
        check_fits(ConformalSum::fit(distance_and_cosine, normal), {false, false, true, false});

        CHECK(needs(own::WorstTensor{}).profile);
        const auto of_profile = [](const Statistics& s) { return s.fisher_norm()[0]; };
        CHECK_FALSE(needs(of_profile).profile); // it does not say so
        CHECK(throws_naming<ValueError>([&] { check(own::WorstTensor{}, plain); },
                                        {"worst_tensor", "a profile", "2 monitored tensors", "no profile"}));
        CHECK(scores_by(own::WorstTensor{}, normal)[3] ==
              -std::min(normal[3].mean_cosine()[0], normal[3].mean_cosine()[1]));

        // What contradicts itself.
        const StandardizedStatistic of_two(Statistic::cosine, {0, 0}, {1, 1}, 1),
            of_one(Statistic::cosine, {0}, {1}, 1);
        CHECK(throws_naming<ValueError>([&] { needs(StandardizedSum{{of_two, of_one}}); }, {"2", "1"}));
        CHECK(throws_naming<ValueError>([] { needs(LogNormDensityScore{{1, 2}, {1}}); }, {"2 and 1"}));
        CHECK(throws_naming<ValueError>(
            [] {
                needs(StandardizedStatistic(Statistic::code_distance, {1, 2}, {1, 2}, 1));
            },
            {"2 values of code_distance"}));
    }
}
