#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/scoring/statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// A score rule makes one number of a sample's statistics; higher is more anomalous. Some rules are fitted on the Scores
// of normal samples that training has not seen (the validation images). No rule is fitted on anomalies.
//
// A rule of your own is any `double(const Statistics&)`. Two members are optional, and so is a function beside it:
//
//     struct WorstTensor {
//         double operator()(const gradcon::Statistics& s) const { return -std::ranges::min(s.mean_cosine()); }
//         // What the model must have; without this member, nothing.
//         gradcon::Needs needs() const { return gradcon::needs(gradcon::Statistic::mean_cosine); }
//         // For messages.
//         const char* name() const { return "worst_tensor"; }
//     };
//     // For explanations, in the rule's namespace: see rule_derivatives.hpp.
//     void add_derivative(const WorstTensor& rule, const gradcon::Statistics& s, gradcon::ScoreDerivative& d);
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

template <class Rule>
concept ScoreRule = std::is_invocable_r_v<double, const Rule&, const Statistics&>;

/// The rule's score of every sample.
template <ScoreRule Rule>
std::vector<double> scores_by(const Rule& rule, const Scores& scores) {
    std::vector<double> values(scores.samples());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = rule(scores[i]);
    return values;
}

/// What a score rule needs of the scorer.
struct Needs {
    bool profile = false;
    bool codes = false;      // a profile with codes
    std::size_t tensors = 0; // the number of monitored tensors that the rule was fitted for; 0: any

    /// What two rules need together. @throws ValueError when they were fitted for different numbers of tensors
    friend Needs operator|(const Needs& a, const Needs& b) {
        if (a.tensors != 0 && b.tensors != 0 && a.tensors != b.tensors)
            throw ValueError(message("the terms of a score rule were fitted for ", a.tensors, " and for ", b.tensors,
                                     " monitored tensors"));
        return {a.profile || b.profile, a.codes || b.codes, std::max(a.tensors, b.tensors)};
    }
};

constexpr Needs needs(Statistic statistic) {
    const Requirement requirement = info(statistic).needs;
    return {.profile = requirement != Requirement::nothing, .codes = requirement == Requirement::codes};
}

/// What a rule says that it needs; nothing, if it does not say.
/// @throws ValueError when what was fitted contradicts itself
template <ScoreRule Rule>
Needs needs(const Rule& rule) {
    if constexpr (requires { rule.needs(); }) return rule.needs();
    else return {};
}

/// For messages.
template <ScoreRule Rule>
const char* name_of(const Rule& rule) {
    if constexpr (requires { rule.name(); }) return rule.name();
    else return "of your own";
}

/// @throws ValueError that says what the rule needs, unless a scorer has it
template <ScoreRule Rule>
void check(const Rule& rule, const Available& available) {
    const Needs n = needs(rule);
    const bool fits = n.tensors == 0 || n.tensors == available.tensors;
    if (fits && (available.profile || !n.profile) && (available.codes || !n.codes)) return;
    const char* profile = n.codes ? "a profile with codes" : n.profile ? "a profile" : "";
    throw ValueError(message("the score rule ", name_of(rule), " needs ", profile,
                             n.profile && n.tensors != 0 ? " and " : "",
                             n.tensors != 0 ? message(n.tensors, " monitored tensors") : "", "; this model has ",
                             available.tensors, " monitored tensors, with ",
                             available.codes     ? "codes"
                             : available.profile ? "a profile without codes"
                                                 : "no profile"));
}

/// The mean squared error, as autoencoders are mostly used.
struct ReconstructionScore {
    double operator()(const Statistics& s) const { return s.reconstruction_error(); }
};

/// Minus the mean cosine with the running reference (paper, section 4.3, the gradient loss).
struct GradientScore {
    double operator()(const Statistics& s) const { return minus_mean(s.cosine()); }
};

/// mse + beta * gradient score, with the policy's beta (paper, section 4.3): the default.
struct GradConScore {
    double operator()(const Statistics& s) const { return s.score(); }
};

/// KL of the code, for a variational autoencoder (paper, table 1, the latent loss); 0 for others.
struct LatentScore {
    double operator()(const Statistics& s) const { return s.latent_divergence(); }
};

/// The Mahalanobis distance of the code from the codes of the training images. It uses no gradient, and needs a profile
/// with codes.
struct CodeDistanceScore {
    double operator()(const Statistics& s) const { return s.code_distance(); }
    Needs needs() const { return gradcon::needs(Statistic::code_distance); }
};

/// Minus the mean cosine with the finished model's mean gradient, instead of the running mean of training. Needs a
/// profile.
struct FinishedAlignmentScore {
    double operator()(const Statistics& s) const { return minus_mean(s.mean_cosine()); }
    Needs needs() const { return gradcon::needs(Statistic::mean_cosine); }
};

/// One statistic on a common scale. The values of each monitored tensor are standardised on normal samples and averaged
/// over the tensors; the average is divided by its standard deviation. A tensor whose value never varies is left out.
/// Positive statistics are taken as logarithms and cosines are negated, so that larger always means more anomalous.
class StandardizedStatistic {
  public:
    /// @param statistic any but the paper's score, which is a sum itself
    /// @param normal of 2 or more normal samples that training has not seen
    /// @throws ValueError when there are fewer, they lack the statistic, or it is not finite on one of them
    StandardizedStatistic(Statistic statistic, const Scores& normal) : statistic_(term(statistic)) {
        const std::size_t n = normal.samples();
        if (n < 2) throw ValueError(message("a standardised statistic needs 2 normal samples or more; given: ", n));
        const std::size_t values = count(normal[0]);
        if (values == 0)
            throw ValueError(message("these Scores lack the statistic ", info(statistic).name, needed(statistic)));
        means_.assign(values, 0);
        deviations_.assign(values, 0);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t k = 0; k < values; ++k) means_[k] += value(normal[i], k) / static_cast<double>(n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t k = 0; k < values; ++k) deviations_[k] += std::pow(value(normal[i], k) - means_[k], 2);
        for (std::size_t k = 0; k < values; ++k) {
            if (!is_finite(means_[k])) throw ValueError("a standardised statistic is not finite on some normal sample");
            double& d = deviations_[k];
            d = std::sqrt(d / static_cast<double>(n - 1));
            if (d <= 1e-10 * std::abs(means_[k])) d = 0; // the rounding of the mean of what never varies
        }
        double square = 0;
        for (std::size_t i = 0; i < n; ++i) square += std::pow((*this)(normal[i]), 2);
        scale_ = square > 0 ? std::sqrt(static_cast<double>(n - 1) / square) : 0;
    }

    /// From what a model file keeps.
    /// @throws ValueError for lists that differ in length or are empty, or for the paper's score
    StandardizedStatistic(Statistic statistic, std::vector<double> means, std::vector<double> deviations, double scale)
        : statistic_(term(statistic)), means_(std::move(means)), deviations_(std::move(deviations)), scale_(scale) {
        if (means_.empty() || means_.size() != deviations_.size())
            throw ValueError(message("a standardised statistic needs as many means as deviations, 1 or more; given: ",
                                     means_.size(), " and ", deviations_.size()));
    }

    Statistic statistic() const { return statistic_; }
    const std::vector<double>& means() const { return means_; }
    const std::vector<double>& deviations() const { return deviations_; }
    double scale() const { return scale_; }

    /// NaN for a sample without that statistic.
    double operator()(const Statistics& s) const {
        if (count(s) != means_.size()) return std::numeric_limits<double>::quiet_NaN();
        double sum = 0;
        for (std::size_t k = 0; k < means_.size(); ++k)
            if (deviations_[k] > 0) sum += (value(s, k) - means_[k]) / deviations_[k];
        return scale_ * sum / static_cast<double>(means_.size());
    }

    /// @throws ValueError when it was fitted for several values of a statistic that has one
    Needs needs() const {
        Needs n = gradcon::needs(statistic_);
        if (info(statistic_).of_tensors) n.tensors = means_.size();
        else if (means_.size() != 1)
            throw ValueError(message("a score rule was fitted for ", means_.size(), " values of ",
                                     info(statistic_).name, ", which has one"));
        return n;
    }

  private:
    static Statistic term(Statistic statistic) {
        if (info(statistic).scale == Scale::none)
            throw ValueError(message(info(statistic).name, " is no statistic that can be standardised"));
        return statistic;
    }
    static const char* needed(Statistic statistic) {
        switch (info(statistic).needs) {
        case Requirement::nothing: return "";
        case Requirement::profile: return ": it needs a GradientProfile";
        case Requirement::codes: return ": it needs a GradientProfile with codes";
        }
        return "";
    }

    std::size_t count(const Statistics& s) const { return s[statistic_].size(); }
    double value(const Statistics& s, std::size_t k) const {
        const double v = s[statistic_][k];
        if (info(statistic_).scale == Scale::negated) return -v;
        return std::log(v < 1e-300 ? 1e-300 : v); // NaN stays NaN
    }

    Statistic statistic_;
    std::vector<double> means_, deviations_;
    double scale_ = 1;
};

/// The sum of some statistics on their common scale.
struct StandardizedSum {
    std::vector<StandardizedStatistic> terms;

    /// @throws ValueError as StandardizedStatistic does, or when there is no statistic
    static StandardizedSum fit(std::span<const Statistic> statistics, const Scores& normal) {
        if (statistics.empty()) throw ValueError("StandardizedSum: needs one statistic or more");
        StandardizedSum sum;
        for (const Statistic statistic : statistics) sum.terms.emplace_back(statistic, normal);
        return sum;
    }

    double operator()(const Statistics& s) const {
        double sum = 0;
        for (const auto& term : terms) sum += term(s);
        return sum;
    }

    /// @throws ValueError when the terms were fitted for different numbers of tensors
    Needs needs() const {
        Needs all;
        for (const auto& term : terms) all = all | term.needs();
        return all;
    }
};

/// The rule that we recommend after MNIST, Fashion-MNIST and CIFAR-10 (docs/results.md): the distance of the code from
/// the codes of training, and the alignment of the gradient. Each finds anomalies that the other misses.
/// @param normal of 2 or more normal samples that training has not seen, by a scorer with a profile with codes
/// @throws ValueError as StandardizedStatistic does
inline StandardizedSum recommended_score(const Scores& normal) {
    constexpr std::array statistics{Statistic::code_distance, Statistic::cosine};
    return StandardizedSum::fit(statistics, normal);
}

/// Fisher's combination: minus the sum of the logarithms of each statistic's conformal p-value,
/// p = (1 + normal samples that are as strange) / (1 + normal samples). The same samples standardise a statistic and
/// give its p-value. That is exact for a statistic of one value, whose order it keeps, and approximate for a statistic
/// of several tensors.
struct ConformalSum {
    StandardizedSum sum;
    std::vector<std::vector<double>> normal; // of each term, ascending

    /// @throws ValueError as StandardizedSum::fit does
    static ConformalSum fit(std::span<const Statistic> statistics, const Scores& scores) {
        ConformalSum fitted{StandardizedSum::fit(statistics, scores), {}};
        for (const auto& term : fitted.sum.terms)
            std::ranges::sort(fitted.normal.emplace_back(scores_by(term, scores)));
        return fitted;
    }

    double operator()(const Statistics& s) const {
        double total = 0;
        for (std::size_t t = 0; t < normal.size(); ++t) {
            const double value = sum.terms[t](s);
            if (is_nan(value)) return value;
            const auto stranger = normal[t].end() - std::ranges::lower_bound(normal[t], value);
            total -= std::log(static_cast<double>(1 + stranger) / static_cast<double>(1 + normal[t].size()));
        }
        return total;
    }

    Needs needs() const { return sum.needs(); }
};

/// Minus the log density of the gradient's log norms, with one normal distribution for each monitored tensor (Dauncey,
/// Holmes, Williams and Falck, 2024). Unlike a sum, it also finds gradients that are too small.
struct LogNormDensityScore {
    std::vector<double> means, deviations;

    /// @param normal of 2 or more normal samples that training has not seen
    /// @throws ValueError when there are fewer
    static LogNormDensityScore fit(const Scores& normal) {
        const StandardizedStatistic norms(Statistic::gradient_norm, normal);
        return {norms.means(), norms.deviations()};
    }

    /// @throws ValueError for lists that differ in length
    Needs needs() const {
        if (means.size() != deviations.size())
            throw ValueError(message("a log-norm density needs as many means as deviations; given: ", means.size(),
                                     " and ", deviations.size()));
        return {.tensors = means.size()};
    }

    /// NaN for a sample of another number of monitored tensors.
    double operator()(const Statistics& s) const {
        if (means.size() != s.gradient_norm().size() || deviations.size() != means.size())
            return std::numeric_limits<double>::quiet_NaN();
        double sum = 0;
        for (std::size_t k = 0; k < means.size(); ++k) {
            const double z = (std::log(std::max(s.gradient_norm()[k], 1e-300)) - means[k]) / deviations[k];
            if (deviations[k] > 0) sum += z * z / 2 + std::log(deviations[k] * std::sqrt(2 * std::numbers::pi));
        }
        return sum;
    }
};

namespace detail {
using ScoreRuleVariant = std::variant<GradConScore, ReconstructionScore, GradientScore, LatentScore, CodeDistanceScore,
                                      FinishedAlignmentScore, LogNormDensityScore, StandardizedSum, ConformalSum>;
}

/// Their names in messages and model files, in that order.
inline constexpr std::array<const char*, std::variant_size_v<detail::ScoreRuleVariant>> score_rule_names{
    "gradcon",          "reconstruction",   "gradient",     "latent", "code_distance", "finished_alignment",
    "log_norm_density", "standardized_sum", "conformal_sum"};

/// Any of the rules above, chosen at run time: a std::variant of them that is a rule itself.
struct AnyScoreRule : detail::ScoreRuleVariant {
    using detail::ScoreRuleVariant::variant;

    double operator()(const Statistics& s) const {
        return std::visit([&](const auto& rule) { return rule(s); }, *this);
    }
    const char* name() const { return score_rule_names[index()]; }
    Needs needs() const {
        return std::visit([](const auto& rule) { return gradcon::needs(rule); }, *this);
    }
};

/// The statistics that a rule looks at; all of them for a rule that does not say.
inline std::vector<Statistic> statistics_of(const AnyScoreRule& rule) {
    std::vector<Statistic> statistics;
    if (const auto* sum = std::get_if<StandardizedSum>(&rule)) {
        for (const auto& term : sum->terms) statistics.push_back(term.statistic());
    } else if (std::holds_alternative<ReconstructionScore>(rule)) {
        statistics.push_back(Statistic::reconstruction_error);
    } else {
        statistics.assign(every_statistic.begin(), every_statistic.end());
    }
    return statistics;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
