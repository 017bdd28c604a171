// The derivatives of score rules in the statistics, against central differences.
#include "random_scores.hpp"
#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace gradcon;

namespace {

constexpr Statistic five_terms[]{Statistic::reconstruction_error, Statistic::cosine,      Statistic::gradient_norm,
                                 Statistic::mean_cosine,          Statistic::fisher_norm, Statistic::code_distance};
constexpr Available all_available{.tensors = 2, .profile = true, .codes = true};

template <class Rule>
void check_derivative(const Rule& rule, Scores one) {
    INFO(name_of(rule));
    ScoreDerivative derivative;
    derivative.reset(all_available);
    add_derivative(rule, one[0], derivative);
    constexpr double h = 1e-5;
    for (const Statistic statistic : every_statistic)
        for (std::size_t k = 0; k < one[statistic].size(); ++k) {
            INFO(info(statistic).name, " ", k);
            double& value = one[statistic][k];
            const double at = value;
            value = at + h;
            const double above = rule(one[0]);
            value = at - h;
            const double below = rule(one[0]);
            value = at;
            CHECK(derivative[statistic][k] == doctest::Approx((above - below) / (2 * h)).epsilon(1e-6));
        }
}

} // namespace

TEST_SUITE("rule derivatives") {
    TEST_CASE("every rule, in every statistic") {
        Rng rng(3);
        const Scores normal = random_scores(20, rng);
        Scores one;
        one.add(normal[5]);
        one[Statistic::latent_divergence][0] = 0.7;
        for (const AnyScoreRule& rule :
             {AnyScoreRule(GradConScore{}), AnyScoreRule(ReconstructionScore{}), AnyScoreRule(GradientScore{}),
              AnyScoreRule(LatentScore{}), AnyScoreRule(CodeDistanceScore{}), AnyScoreRule(FinishedAlignmentScore{}),
              AnyScoreRule(LogNormDensityScore::fit(normal)), AnyScoreRule(recommended_score(normal)),
              AnyScoreRule(StandardizedSum::fit(five_terms, normal))})
            check_derivative(rule, one);
        check_derivative(StandardizedStatistic(Statistic::fisher_norm, normal), one);
    }

    TEST_CASE("whether a score depends on gradients") {
        ScoreDerivative d;
        d.reset(all_available);
        CHECK_FALSE(d.is_of_gradients());
        d[Statistic::code_distance][0] = 1;
        d[Statistic::score][0] = 1;
        CHECK_FALSE(d.is_of_gradients());
        d[Statistic::fisher_norm][1] = -1;
        CHECK(d.is_of_gradients());
        d.reset(all_available);
        CHECK_FALSE(d.is_of_gradients());
    }

    TEST_CASE("what has no derivative, or does not fit, is refused") {
        Rng rng(4);
        const Scores normal = random_scores(9, rng);
        const auto refused = [&](const AnyScoreRule& rule, const Available& available,
                                 std::initializer_list<std::string_view> words) {
            ScoreDerivative d;
            d.reset(available);
            return throws_naming<ValueError>([&] { add_derivative(rule, normal[0], d); }, words);
        };
        CHECK(refused(ConformalSum::fit(five_terms, normal), all_available, {"step function", "`sum`"}));
        CHECK(refused(FinishedAlignmentScore{}, {2}, {"mean_cosine", "GradientProfile"}));
        CHECK(refused(CodeDistanceScore{}, {2, true}, {"code_distance", "with codes"}));
        CHECK(refused(LogNormDensityScore{{1, 2, 3}, {1, 2, 3}}, all_available, {"3", "are 2"}));
        CHECK(refused(LogNormDensityScore{{1, 2}, {1}}, all_available, {"1", "are 2"}));
    }
}
