#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/scoring/score_rules.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <variant>
#include <vector>

// How a score changes with each of the statistics that it is made of. A rule of your own takes part with an
// add_derivative in its own namespace.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The partial derivatives of one image's score, for each Statistic of every monitored tensor or the one of the image.
class ScoreDerivative {
  public:
    double score = 0; // in SampleStatistics::score, the paper's

    /// All 0. Statistics that need a profile, or one with codes, have derivatives only with `has_profile` or
    /// `has_codes`.
    void reset(std::size_t monitored, bool has_profile, bool has_codes) {
        score = 0;
        for (std::size_t i = 0; i < slopes_.size(); ++i) {
            const auto statistic = static_cast<Statistic>(i);
            const bool missing = (needs_profile(statistic) && !has_profile) || (needs_codes(statistic) && !has_codes);
            slopes_[i].assign(missing ? 0 : is_of_tensors(statistic) ? monitored : 1, 0);
        }
    }

    /// @throws ValueError when the statistic needs a profile that is not there
    std::span<double> operator[](Statistic statistic) {
        auto& slopes = slopes_[static_cast<std::size_t>(statistic)];
        if (slopes.empty())
            throw ValueError(message("the score needs ", statistic_names[static_cast<std::size_t>(statistic)],
                                     ", and with it a Scorer that was made with a GradientProfile",
                                     needs_codes(statistic) ? " with codes" : ""));
        return slopes;
    }

    /// Does the score look at the gradients of the monitored tensors?
    bool is_of_gradients() const {
        for (std::size_t i = 0; i < slopes_.size(); ++i)
            if (is_of_tensors(static_cast<Statistic>(i)) &&
                std::ranges::any_of(slopes_[i], [](double slope) { return slope != 0; }))
                return true;
        return false;
    }

  private:
    std::array<std::vector<double>, statistic_names.size()> slopes_;
};

namespace detail {
/// Of log max(v, 1e-300), by which positive statistics enter.
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

/// d += the derivatives of `rule` at `s`.
/// @throws ValueError when the rule has none, needs a profile that is not there, or was fitted for another network
inline void add_derivative(const ReconstructionScore&, const SampleStatistics&, ScoreDerivative& d) {
    d[Statistic::reconstruction_error][0] += 1;
}
inline void add_derivative(const GradientScore&, const SampleStatistics&, ScoreDerivative& d) {
    detail::add_slope_of_minus_mean(d[Statistic::cosine]);
}
inline void add_derivative(const GradConScore&, const SampleStatistics&, ScoreDerivative& d) { d.score += 1; }
inline void add_derivative(const LatentScore&, const SampleStatistics&, ScoreDerivative& d) {
    d[Statistic::latent_divergence][0] += 1;
}
inline void add_derivative(const CodeDistanceScore&, const SampleStatistics&, ScoreDerivative& d) {
    d[Statistic::code_distance][0] += 1;
}
inline void add_derivative(const FinishedAlignmentScore&, const SampleStatistics&, ScoreDerivative& d) {
    detail::add_slope_of_minus_mean(d[Statistic::mean_cosine]);
}

/// scale / n * sum (value - mean) / deviation, where value is -v of a cosine v and log v of the others.
inline void add_derivative(const StandardizedStatistic& rule, const SampleStatistics& s, ScoreDerivative& d) {
    const Statistic statistic = rule.statistic();
    const std::span<double> slopes = d[statistic];
    detail::check_fitted(rule.means().size(), slopes);
    const auto values = values_of(statistic, s);
    for (std::size_t k = 0; k < slopes.size(); ++k) {
        const double deviation = rule.deviations()[k];
        const bool is_cosine = statistic == Statistic::cosine || statistic == Statistic::mean_cosine;
        if (deviation > 0)
            slopes[k] += rule.scale() / static_cast<double>(slopes.size()) / deviation *
                         (is_cosine ? -1 : detail::log_slope(values[k]));
    }
}
inline void add_derivative(const StandardizedSum& rule, const SampleStatistics& s, ScoreDerivative& d) {
    for (const auto& term : rule.terms) add_derivative(term, s, d);
}

/// sum z^2 / 2 with z = (log norm - mean) / deviation.
inline void add_derivative(const LogNormDensityScore& rule, const SampleStatistics& s, ScoreDerivative& d) {
    const std::span<double> slopes = d[Statistic::gradient_norm];
    detail::check_fitted(rule.means.size(), slopes);
    detail::check_fitted(rule.deviations.size(), slopes);
    for (std::size_t k = 0; k < slopes.size(); ++k) {
        const double norm = s.gradient_norm[k], deviation = rule.deviations[k];
        if (deviation > 0)
            slopes[k] +=
                (std::log(std::max(norm, 1e-300)) - rule.means[k]) / deviation / deviation * detail::log_slope(norm);
    }
}

inline void add_derivative(const ConformalSum&, const SampleStatistics&, ScoreDerivative&) {
    throw ValueError("a ConformalSum counts normal samples, a step function that has no derivative: take its member "
                     "`sum`, a StandardizedSum");
}
inline void add_derivative(const AnyScoreRule& rule, const SampleStatistics& s, ScoreDerivative& d) {
    std::visit([&](const auto& chosen) { add_derivative(chosen, s, d); }, rule);
}

/// A score rule whose derivative is known.
template <class P>
concept DifferentiableScore = ScoreRule<P> && requires(const P& rule, const SampleStatistics& s, ScoreDerivative& d) {
    add_derivative(rule, s, d);
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
