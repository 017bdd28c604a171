#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/scoring/score_rules.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <variant>
#include <vector>

// How a score changes with each statistic that it is made of.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The partial derivatives of one image's score, one for each value of each statistic.
class ScoreDerivative {
  public:
    /// All 0, for the statistics that a scorer can compute.
    void reset(const Available& available) {
        for (const Statistic s : every_statistic) slopes_[s].assign(available.size(s), 0);
    }

    /// @throws ValueError when the scorer cannot compute the statistic
    std::span<double> operator[](Statistic statistic) {
        auto& slopes = slopes_[statistic];
        if (slopes.empty())
            throw ValueError(message("the score needs ", info(statistic).name,
                                     ", and with it a Scorer that was made with a GradientProfile",
                                     info(statistic).needs == Requirement::codes ? " with codes" : ""));
        return slopes;
    }

    /// Whether the score depends on the gradients of the monitored tensors.
    bool is_of_gradients() const {
        return std::ranges::any_of(every_statistic, [&](Statistic s) {
            return info(s).of_tensors && std::ranges::any_of(slopes_[s], [](double slope) { return slope != 0; });
        });
    }

  private:
    ByStatistic<std::vector<double>> slopes_;
};

namespace detail {
/// The derivative of log max(v, 1e-300).
inline double log_slope(double v) { return v < 1e-300 ? 0 : 1 / v; }

inline void add_slope_of_minus_mean(std::span<double> slopes) {
    for (double& slope : slopes) slope -= 1 / static_cast<double>(slopes.size());
}

/// @throws ValueError when the score was fitted for another number of tensors
inline void check_fitted(std::size_t fitted, std::span<const double> slopes) {
    if (fitted != slopes.size())
        throw ValueError(message("the score was fitted for ", fitted, " values of a statistic, of which there ",
                                 slopes.size() == 1 ? "is " : "are ", slopes.size()));
}
} // namespace detail

// add_derivative(rule, s, d): d += the derivatives of `rule` at `s`. For a rule of your own, write one beside it.
// Throws ValueError when the rule has no derivative, needs a profile that is missing, or was fitted for another
// network.
inline void add_derivative(const ReconstructionScore&, const Statistics&, ScoreDerivative& d) {
    d[Statistic::reconstruction_error][0] += 1;
}
inline void add_derivative(const GradientScore&, const Statistics&, ScoreDerivative& d) {
    detail::add_slope_of_minus_mean(d[Statistic::cosine]);
}
inline void add_derivative(const GradConScore&, const Statistics&, ScoreDerivative& d) { d[Statistic::score][0] += 1; }
inline void add_derivative(const LatentScore&, const Statistics&, ScoreDerivative& d) {
    d[Statistic::latent_divergence][0] += 1;
}
inline void add_derivative(const CodeDistanceScore&, const Statistics&, ScoreDerivative& d) {
    d[Statistic::code_distance][0] += 1;
}
inline void add_derivative(const FinishedAlignmentScore&, const Statistics&, ScoreDerivative& d) {
    detail::add_slope_of_minus_mean(d[Statistic::mean_cosine]);
}

/// Of scale / n * sum (value - mean) / deviation, where value is -v for a cosine v and log v for the others.
inline void add_derivative(const StandardizedStatistic& rule, const Statistics& s, ScoreDerivative& d) {
    const Statistic statistic = rule.statistic();
    const std::span<double> slopes = d[statistic];
    detail::check_fitted(rule.means().size(), slopes);
    const auto values = s[statistic];
    const bool negated = info(statistic).scale == Scale::negated;
    for (std::size_t k = 0; k < slopes.size(); ++k) {
        const double deviation = rule.deviations()[k];
        if (deviation > 0)
            slopes[k] += rule.scale() / static_cast<double>(slopes.size()) / deviation *
                         (negated ? -1 : detail::log_slope(values[k]));
    }
}
inline void add_derivative(const StandardizedSum& rule, const Statistics& s, ScoreDerivative& d) {
    for (const auto& term : rule.terms) add_derivative(term, s, d);
}

/// Of sum z^2 / 2 with z = (log norm - mean) / deviation.
inline void add_derivative(const LogNormDensityScore& rule, const Statistics& s, ScoreDerivative& d) {
    const std::span<double> slopes = d[Statistic::gradient_norm];
    detail::check_fitted(rule.means.size(), slopes);
    detail::check_fitted(rule.deviations.size(), slopes);
    for (std::size_t k = 0; k < slopes.size(); ++k) {
        const double norm = s.gradient_norm()[k], deviation = rule.deviations[k];
        if (deviation > 0)
            slopes[k] +=
                (std::log(std::max(norm, 1e-300)) - rule.means[k]) / deviation / deviation * detail::log_slope(norm);
    }
}

inline void add_derivative(const ConformalSum&, const Statistics&, ScoreDerivative&) {
    throw ValueError("a ConformalSum counts normal samples, a step function that has no derivative: take its member "
                     "`sum`, a StandardizedSum");
}
inline void add_derivative(const AnyScoreRule& rule, const Statistics& s, ScoreDerivative& d) {
    std::visit([&](const auto& chosen) { add_derivative(chosen, s, d); }, rule);
}

/// A score rule that has an add_derivative.
template <class P>
concept DifferentiableScore = ScoreRule<P> && requires(const P& rule, const Statistics& s, ScoreDerivative& d) {
    add_derivative(rule, s, d);
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
