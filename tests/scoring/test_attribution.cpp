// The derivative of scores in the pixels: against central differences of what a Scorer and a score rule give.
#include "count_allocations.hpp"
#include "kernels_once.hpp"
#include "random_detector.hpp"

#include <gradcon/scoring/attribution.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <thread>
#include <variant>
#include <vector>

namespace own {
/// A rule of a user: (1 + mse + |g_0|)^2.
struct Square {
    static double root(const gradcon::Statistics& s) { return 1 + s.reconstruction_error() + s.gradient_norm()[0]; }
    double operator()(const gradcon::Statistics& s) const { return root(s) * root(s); }
};
void add_derivative(const Square&, const gradcon::Statistics& s, gradcon::ScoreDerivative& d) {
    const double slope = 2 * Square::root(s);
    d[gradcon::Statistic::reconstruction_error][0] += slope;
    d[gradcon::Statistic::gradient_norm][0] += slope;
}
} // namespace own

using namespace gradcon;

namespace {

constexpr Statistic all_statistics[]{Statistic::reconstruction_error, Statistic::cosine,      Statistic::gradient_norm,
                                     Statistic::latent_divergence,    Statistic::mean_cosine, Statistic::fisher_norm,
                                     Statistic::code_distance};

Conv2d conv(std::size_t in, std::size_t out) { return {in, out, {.kernel_size = 4, .stride = 2, .padding = 2}}; }
ConvTranspose2d back(std::size_t in, std::size_t out, std::array<std::size_t, 2> output_padding) {
    return {in, out, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = output_padding}};
}
/// 8 x 8 to 5 x 5 to 3 x 3 and back.
auto smooth() {
    return Autoencoder{Sequential{conv(1, 4), Tanh{}, conv(4, 3), Tanh{}},
                       Sequential{back(3, 4, {1, 1}), Tanh{}, back(4, 1, {0, 0}), Sigmoid{}}};
}
/// 13 x 10 to 7 x 6 to 4 x 4 and back, with kinks.
auto odd() {
    return Autoencoder{Chain{{conv(3, 4), LeakyReLU{0.3}, conv(4, 5), Tanh{}}},
                       Chain{{back(5, 4, {1, 0}), LeakyReLU{0.3}, back(4, 3, {1, 0}), Sigmoid{}}}};
}
auto mlp() {
    return Autoencoder{Chain{{Linear{12, 7}, Tanh{}, Linear{7, 4}, Tanh{}}},
                       Chain{{Linear{4, 7}, Tanh{}, Linear{7, 12}}}};
}
auto vae() {
    return Autoencoder{Chain{{conv(2, 4), Tanh{}, Flatten{}, Linear{4 * 5 * 7, 6}}},
                       Chain{{Linear{3, 4 * 5 * 7}, Unflatten{5, 7, 4}, Tanh{}, back(4, 2, {1, 0}), Sigmoid{}}},
                       Latent::gaussian(3)};
}

/// Every kind of rule, and every statistic of the standardised ones.
std::vector<AnyScoreRule> rules_for(const Scores& normal) {
    std::vector<AnyScoreRule> rules{GradConScore{}, ReconstructionScore{}, GradientScore{},
                                    LatentScore{},  CodeDistanceScore{},   FinishedAlignmentScore{}};
    for (const Statistic statistic : all_statistics)
        rules.push_back(StandardizedSum::fit(std::span(&statistic, 1), normal));
    rules.push_back(LogNormDensityScore::fit(normal));
    rules.push_back(recommended_score(normal));
    rules.push_back(StandardizedSum::fit(all_statistics, normal));
    return rules;
}

template <class Detector>
auto profiled(const Detector& d) {
    SerialExecutor serial;
    return Scorer{d.model, d.params, d.policy, fit_profile(d.model, d.params, d.policy, d.images, serial)};
}

/// Of nothing but the KL, which without a distribution is constant?
bool is_divergence_alone(const AnyScoreRule& rule) {
    const auto* sum = std::get_if<StandardizedSum>(&rule);
    return std::holds_alternative<LatentScore>(rule) ||
           (sum != nullptr && sum->terms.size() == 1 && sum->terms[0].statistic() == Statistic::latent_divergence);
}

/// Central differences D(h) and D(2h) of each rule's score. The error of D(h) is h^2/6 of the third derivative, for
/// small h a third of D(h) - D(2h), and the rounding of two scores over h. Each sum of up to 500 products rounds as if
/// its arguments were changed by 500 epsilon, so that a score errs by 500 epsilon (|x| |dS/dx| + |S|). What is left is
/// 1e-6 of the derivative or less; where it is not, a kink lies between the points, and nothing is compared.
template <class Model>
void check_slopes(const Model& model, const Shape& shape, bool kinks) {
    const auto d = random_detector<double>(model, shape, {.beta = 0.5});
    const auto scorer = profiled(d);
    const Attribution attribution{scorer};
    SerialExecutor serial;
    const auto rules = rules_for(score_each(scorer, d.images, serial));
    auto w = attribution.workspace();
    auto scoring = scorer.workspace();
    Rng rng(8);
    constexpr double h = 1e-4, epsilon = std::numeric_limits<double>::epsilon();
    for (const std::size_t image : {0U, 5U}) {
        const Batch<double> one = Batch<double>(d.images).slice(image, 1);
        const std::vector<double> x(one.data(), one.data() + one.size());
        const auto scores_at = [&](std::size_t pixel, double step) {
            auto moved = x;
            moved[pixel] += step;
            const auto s = scorer.statistics(Batch<double>(moved.data(), one.shape()), 0, scoring);
            std::vector<double> scores;
            for (const auto& rule : rules) scores.push_back(rule(s));
            return scores;
        };
        const auto at_x = scores_at(0, 0);
        double length = 0;
        for (const double value : x) length += value * value;
        std::vector<std::vector<double>> slopes;
        for (std::size_t p = 0; p < rules.size(); ++p) {
            auto& slope = slopes.emplace_back(x.size(), 7.0);
            CHECK(attribution.attribute(Batch<double>(d.images), image, rules[p], w, slope) == at_x[p]);
        }
        std::size_t compared = 0, all = 0;
        for (int sample = 0; sample < 25; ++sample) {
            const std::size_t pixel = random_index(rng, x.size());
            const auto after = scores_at(pixel, h), before = scores_at(pixel, -h), far_after = scores_at(pixel, 2 * h),
                       far_before = scores_at(pixel, -2 * h);
            for (std::size_t p = 0; p < rules.size(); ++p) {
                double norm = 0;
                for (const double slope : slopes[p]) norm += slope * slope;
                norm = std::sqrt(norm);
                const double near = (after[p] - before[p]) / (2 * h), far = (far_after[p] - far_before[p]) / (4 * h),
                             rounding = 500 * epsilon * (std::sqrt(length) * norm + std::abs(at_x[p])) / h,
                             tolerance = std::abs(near - far) + rounding;
                ++all;
                if (tolerance > 1e-6 * norm && norm > 0) continue;
                ++compared;
                INFO("rule ", p, " ", score_rule_names[rules[p].index()], " pixel ", pixel);
                CHECK(std::abs(slopes[p][pixel] - near) <= tolerance);
            }
        }
        CHECK(compared >= (kinks ? all / 2 : all));
        for (std::size_t p = 0; p < rules.size(); ++p)
            CHECK(std::ranges::all_of(slopes[p], [](double slope) { return slope == 0; }) ==
                  (!model.latent.is_gaussian() && is_divergence_alone(rules[p])));
    }
}

template <class T>
bool all_finite(const std::vector<T>& values) {
    return std::ranges::all_of(values, [](T value) { return is_finite(value); });
}

static_assert(DifferentiableScore<AnyScoreRule> && DifferentiableScore<StandardizedStatistic> &&
              DifferentiableScore<own::Square>);
struct WithoutDerivative {
    double operator()(const Statistics& s) const { return s.score(); }
};
static_assert(ScoreRule<WithoutDerivative> && !DifferentiableScore<WithoutDerivative>);

} // namespace

TEST_SUITE("attribution") {
    TEST_CASE("every rule and statistic: central differences, a convolutional autoencoder") {
        check_slopes(smooth(), {9, 8, 8, 1}, false);
    }
    TEST_CASE("and of odd sizes with three channels and kinks") { check_slopes(odd(), {9, 13, 10, 3}, true); }
    TEST_CASE("and of vectors") { check_slopes(mlp(), {9, 1, 1, 12}, false); }
    TEST_CASE("and a variational autoencoder") { check_slopes(vae(), {9, 9, 12, 2}, false); }

    TEST_CASE("a rule of one's own, and a statistic alone") {
        const auto d = random_detector<double>(smooth(), {9, 8, 8, 1});
        const auto scorer = profiled(d);
        const Attribution attribution{scorer};
        SerialExecutor serial;
        const Scores normal = score_each(scorer, d.images, serial);
        auto w = attribution.workspace();
        std::vector<double> slope(64), other(64), square(64);
        const Batch<double> images(d.images);
        const StandardizedStatistic statistic(Statistic::fisher_norm, normal);
        attribution.attribute(images, 2, statistic, w, slope);
        attribution.attribute(images, 2, StandardizedSum{{statistic, statistic}}, w, other);
        for (std::size_t e = 0; e < 64; ++e) CHECK(other[e] == doctest::Approx(2 * slope[e]).epsilon(1e-12));

        // d (1 + L + n)^2 = 2 (1 + L + n) (dL + dn)
        const LogNormDensityScore of_first{{-1, 0}, {1, 0}}; // z^2/2 with z = log n + 1: z/n dn
        const double value = attribution.attribute(images, 2, own::Square{}, w, square);
        attribution.attribute(images, 2, ReconstructionScore{}, w, slope);
        attribution.attribute(images, 2, of_first, w, other);
        const double n = normal[2].gradient_norm()[0], sum = 1 + normal[2].reconstruction_error() + n;
        CHECK(value == doctest::Approx(sum * sum).epsilon(1e-14));
        for (std::size_t e = 0; e < 64; ++e)
            CHECK(std::abs(square[e] - 2 * sum * (slope[e] + other[e] * n / (std::log(n) + 1))) <=
                  1e-12 * std::abs(square[e]) + 1e-15);
    }

    TEST_CASE("before the first update of the reference the paper's score has the derivative of the error alone") {
        auto d = random_detector<double>(odd(), {9, 13, 10, 3});
        d.policy = GradCon{d.params.decoder, {}};
        const Attribution attribution{profiled(d)};
        auto w = attribution.workspace();
        std::vector<double> slope(390), error(390), cosines(390);
        attribution.attribute(Batch<double>(d.images), 1, GradConScore{}, w, slope);
        attribution.attribute(Batch<double>(d.images), 1, ReconstructionScore{}, w, error);
        attribution.attribute(Batch<double>(d.images), 1, GradientScore{}, w, cosines);
        CHECK(relative_error(slope, error) < 1e-13);
        CHECK(cosines == std::vector<double>(390));
        CHECK(all_finite(slope));
    }

    TEST_CASE("an image that comes back perfectly: finite everywhere, 0 of all that its gradient says") {
        const Autoencoder model{Chain{{Linear{4, 4}}}, Chain{{Linear{4, 4}}}};
        auto d = random_detector<float>(model, {9, 1, 1, 4});
        const auto profile = fit_profile(d.model, d.params, d.policy, d.images, d.serial);
        const Scores normal = score_each(Scorer{d.model, d.params, d.policy, profile}, d.images, d.serial);
        fill(d.params, 0);
        for (auto* chain : {&d.params.encoder, &d.params.decoder})
            for (std::size_t i = 0; i < 4; ++i)
                std::get<Linear::Params<float>>(chain->layers[0]).weight.data()[5 * i] = 1;
        const Attribution attribution{Scorer{d.model, d.params, d.policy, profile}};
        auto w = attribution.workspace();
        std::vector<float> slope(4);
        for (const auto& rule : rules_for(normal)) {
            INFO(score_rule_names[rule.index()]);
            CHECK(is_finite(attribution.attribute(Batch<float>(d.images), 3, rule, w, slope)));
            CHECK(all_finite(slope));
        }
        constexpr Statistic of_gradient[]{Statistic::reconstruction_error, Statistic::cosine, Statistic::gradient_norm,
                                          Statistic::mean_cosine, Statistic::fisher_norm};
        for (const AnyScoreRule& rule : {AnyScoreRule{GradConScore{}}, AnyScoreRule{LogNormDensityScore::fit(normal)},
                                         AnyScoreRule{StandardizedSum::fit(of_gradient, normal)}}) {
            attribution.attribute(Batch<float>(d.images), 3, rule, w, slope);
            CHECK(slope == std::vector<float>(4));
        }
        CHECK(attribution.attribute(Batch<float>(d.images), 3, own::Square{}, w, slope) == 1); // |g| has a kink here
        CHECK(slope == std::vector<float>(4));
        // All codes alike: a distance of 0.
        auto nothing = profile;
        std::ranges::fill(nothing.code_whitening, 0.0F);
        const Attribution still{Scorer{d.model, d.params, d.policy, nothing}};
        still.attribute(Batch<float>(d.images), 3, CodeDistanceScore{}, w, slope);
        CHECK(slope == std::vector<float>(4));
    }

    TEST_CASE("float agrees with double, and bytes with their scalars") {
        // Some 30 sums of up to 100 products, each of relative error sqrt(100) 6e-8: 2e-5. The code distance multiplies
        // the error 6e-8 |z| by (C + 0.01 c)^-1, whose condition is below 27 / 0.01 for codes of 27 values: 1.6e-4, and
        // |z| / |z - mu| is below 10 here.
        const auto exact = random_detector<double>(smooth(), {9, 8, 8, 1});
        const auto rounded = random_detector<float>(smooth(), {9, 8, 8, 1});
        const Attribution of_double{profiled(exact)};
        const Attribution of_float{profiled(rounded)};
        SerialExecutor serial;
        auto exact_w = of_double.workspace();
        auto rounded_w = of_float.workspace();
        std::vector<double> expected(64);
        std::vector<float> found(64);
        for (const auto& rule : rules_for(score_each(of_double.scorer(), exact.images, serial)))
            for (std::size_t i = 0; i < 9; ++i) {
                of_double.attribute(Batch<double>(exact.images), i, rule, exact_w, expected);
                of_float.attribute(Batch<float>(rounded.images), i, rule, rounded_w, found);
                INFO(score_rule_names[rule.index()]);
                CHECK(relative_error(found, expected) <
                      (exact_w.derivative[Statistic::code_distance][0] != 0 ? 1.6e-3 : 2e-5));
            }
        const auto d = small_detector();
        const Attribution attribution{profiled(d)};
        std::vector<std::uint8_t> bytes(2 * 216);
        std::vector<float> scalars;
        Rng rng(3);
        for (auto& byte : bytes) {
            byte = static_cast<std::uint8_t>(random_index(rng, 256));
            scalars.push_back(static_cast<float>(byte) / 255);
        }
        auto w = attribution.workspace();
        std::vector<float> slope(216), of_bytes(216);
        const double score =
            attribution.attribute(Batch<float>(scalars.data(), {2, 9, 12, 2}), 1, GradConScore{}, w, slope);
        CHECK(attribution.attribute(Batch<std::uint8_t>(bytes.data(), {2, 9, 12, 2}), 1, GradConScore{}, w, of_bytes) ==
              score);
        CHECK(slope == of_bytes);
    }

    TEST_CASE("many threads share one, and a workspace forgets what it did before") {
        const auto d = small_detector();
        const Attribution attribution{profiled(d)};
        SerialExecutor serial;
        const auto rules = rules_for(score_each(attribution.scorer(), d.images, serial));
        const auto attribute = [&](std::size_t i, auto& w, const AnyScoreRule& rule) {
            std::vector<float> slope(216);
            attribution.attribute(Batch<float>(d.images), i, rule, w, slope);
            return slope;
        };
        std::vector<std::vector<float>> expected(21), found(21);
        for (std::size_t i = 0; i < 21; ++i) {
            auto fresh = attribution.workspace();
            expected[i] = attribute(i, fresh, rules.back());
        }
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < 3; ++t)
            threads.emplace_back([&, t] {
                auto w = attribution.workspace();
                for (std::size_t i = t; i < 21; i += 3) {
                    attribute(0, w, rules[i % rules.size()]);
                    found[i] = attribute(i, w, rules.back());
                }
            });
        for (auto& thread : threads) thread.join();
        CHECK(found == expected);

        // Of a scorer with other monitored tensors, in the same workspace.
        auto w = attribution.workspace();
        attribute(3, w, rules.back());
        const GradCon one{d.params.decoder, {}, [](const TensorInfo& t) { return t.name == "2.weight"; }};
        const Attribution other{Scorer{d.model, d.params, one}};
        std::vector<float> slope(216), again(216);
        const AnyScoreRule norm = LogNormDensityScore{{0}, {1}};
        other.attribute(Batch<float>(d.images), 2, norm, w, slope);
        auto fresh = other.workspace();
        other.attribute(Batch<float>(d.images), 2, norm, fresh, again);
        CHECK(slope == again);
    }

    TEST_CASE("nothing is allocated once the workspace is warm") {
        const auto check = [](const auto& d) {
            const Attribution attribution{profiled(d)};
            SerialExecutor serial;
            const auto rules = rules_for(score_each(attribution.scorer(), d.images, serial));
            std::vector<float> slope(Batch<float>(d.images).sample_size());
            auto w = attribution.workspace();
            const auto attribute = [&](std::size_t i, const AnyScoreRule& rule) {
                attribution.attribute(Batch<float>(d.images), i, rule, w, slope);
            };
            attribute(0, rules[0]);
            const std::size_t before = allocations;
            for (const auto& rule : rules) attribute(1, rule);
            CHECK(allocations == before);
            CHECK(all_finite(slope));
        };
        check(small_detector());
        check(random_detector(models::paper_cae(1), {4, 28, 28, 1}));
        check(random_detector<float>(vae(), {9, 9, 12, 2}));
    }

    TEST_CASE("what has no derivative, or does not fit, is refused") {
        const auto d = small_detector();
        SerialExecutor serial;
        const Scorer scorer = profiled(d);
        const Scores normal = score_each(scorer, d.images, serial);
        const Attribution attribution{scorer}, plain{Scorer{d.model, d.params, d.policy}},
            codeless{Scorer{d.model, d.params, d.policy,
                            fit_profile(d.model, d.params, d.policy, d.images, serial, {.largest_code = 1})}};
        std::vector<float> out(216, 3.0F);
        const auto refused = [&](const auto& by, const AnyScoreRule& rule,
                                 std::initializer_list<std::string_view> words) {
            auto w = by.workspace();
            return throws_naming<ValueError>([&] { by.attribute(Batch<float>(d.images), 0, rule, w, out); }, words);
        };
        CHECK(refused(attribution, ConformalSum::fit(all_statistics, normal), {"step function", "`sum`"}));
        CHECK(refused(plain, FinishedAlignmentScore{}, {"mean_cosine", "GradientProfile"}));
        CHECK(refused(plain, CodeDistanceScore{}, {"code_distance", "with codes"}));
        CHECK(refused(codeless, recommended_score(normal), {"code_distance", "with codes"}));
        const Statistic fisher[]{Statistic::fisher_norm};
        CHECK(refused(plain, StandardizedSum::fit(fisher, normal), {"fisher_norm", "GradientProfile"}));
        CHECK(refused(attribution, LogNormDensityScore{{1, 2, 3}, {1, 2, 3}}, {"3", "are 2"}));
        CHECK(refused(attribution, LogNormDensityScore{{1, 2}, {1}}, {"1", "are 2"}));
        CHECK(refused(attribution,
                      StandardizedSum{{StandardizedStatistic(Statistic::code_distance, {1, 2}, {1, 2}, 1)}},
                      {"2", "is 1"}));
        CHECK(out == std::vector<float>(216, 3.0F));

        auto w = attribution.workspace();
        const Batch<float> images(d.images);
        CHECK(throws_naming<ValueError>([&] { attribution.attribute(images, 21, GradConScore{}, w, out); }, {"21"}));
        CHECK(throws_naming<ValueError>(
            [&] { attribution.attribute(images, 0, GradConScore{}, w, std::span(out).first(215)); }, {"215", "216"}));
        CHECK(throws_naming<ValueError>(
            [&] {
                attribution.attribute(Batch<float>(nullptr, {0, 9, 12, 2}), 0, GradConScore{}, w, out);
            },
            {"0"}));
        CHECK_THROWS_AS(attribution.attribute(Batch<float>(d.images.data(), {1, 6, 36, 1}), 0, GradConScore{}, w, out),
                        ShapeError);
    }
}
