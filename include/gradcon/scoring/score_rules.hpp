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

// What turns a sample's statistics into one number, higher = more anomalous. A rule of your own is any
// double(const SampleStatistics&), for one sample (Scorer::statistics) or for many (scores_by). Some are fitted on the
// Scores of normal samples that training has not seen (the validation images); no anomaly is ever looked at.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

template <class Rule>
concept ScoreRule = std::is_invocable_r_v<double, const Rule&, const SampleStatistics&>;

/// The rule's score of every sample.
template <ScoreRule Rule>
std::vector<double> scores_by(const Rule& rule, const Scores& scores) {
    std::vector<double> values(scores.samples());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = rule(scores[i]);
    return values;
}

/// The mean squared error, as autoencoders are mostly used.
struct ReconstructionScore {
    double operator()(const SampleStatistics& s) const { return s.reconstruction_error; }
};

/// Minus the mean cosine with the running reference (paper, section 4.3, the gradient loss).
struct GradientScore {
    double operator()(const SampleStatistics& s) const { return minus_mean(s.cosine); }
};

/// mse + beta * gradient score, with the policy's beta (paper, section 4.3): the default.
struct GradConScore {
    double operator()(const SampleStatistics& s) const { return s.score; }
};

/// KL of the code, for a variational autoencoder (paper, table 1, the latent loss); 0 for others.
struct LatentScore {
    double operator()(const SampleStatistics& s) const { return s.latent_divergence; }
};

/// The Mahalanobis distance of the code from those of the training images, without gradients. Needs a profile.
struct CodeDistanceScore {
    double operator()(const SampleStatistics& s) const { return s.code_distance; }
};

/// Minus the mean cosine with the finished model's mean gradient, instead of the running one. Needs a profile.
struct FinishedAlignmentScore {
    double operator()(const SampleStatistics& s) const { return minus_mean(s.mean_cosine); }
};

/// What may be a term of a combined score. Positive ones enter by their logarithm, cosines with a minus: so that larger
/// is stranger.
enum class Statistic {
    reconstruction_error,
    cosine,
    gradient_norm,
    latent_divergence,
    mean_cosine,
    fisher_norm,
    code_distance
};

/// Has every monitored tensor a value of its own, or the sample one?
constexpr bool is_of_tensors(Statistic statistic) {
    return statistic == Statistic::cosine || statistic == Statistic::gradient_norm ||
           statistic == Statistic::mean_cosine || statistic == Statistic::fisher_norm;
}
/// Does the statistic need a profile, and does it need one with codes?
constexpr bool needs_profile(Statistic statistic) {
    return statistic == Statistic::mean_cosine || statistic == Statistic::fisher_norm;
}
constexpr bool needs_codes(Statistic statistic) { return statistic == Statistic::code_distance; }

/// The statistic's values: of every monitored tensor, or one; none, or NaN, where it needs a profile that is not there.
/// Valid as long as `s`.
inline std::span<const double> values_of(Statistic statistic, const SampleStatistics& s) {
    switch (statistic) {
    case Statistic::reconstruction_error: return {&s.reconstruction_error, 1};
    case Statistic::cosine: return s.cosine;
    case Statistic::gradient_norm: return s.gradient_norm;
    case Statistic::latent_divergence: return {&s.latent_divergence, 1};
    case Statistic::mean_cosine: return s.mean_cosine;
    case Statistic::fisher_norm: return s.fisher_norm;
    case Statistic::code_distance: return {&s.code_distance, 1};
    }
    return {};
}

/// One statistic on a common scale: of each monitored tensor standardised on normal samples, averaged over the tensors,
/// and the average divided by its standard deviation. A tensor whose statistic never varies is left out.
class StandardizedStatistic {
  public:
    /// @param normal of samples that training has not seen, 2 or more
    /// @throws ValueError when there are fewer, or they lack the statistic
    StandardizedStatistic(Statistic statistic, const Scores& normal) : statistic_(statistic) {
        const std::size_t n = normal.samples();
        if (n < 2) throw ValueError(message("a standardised statistic needs 2 normal samples or more; given: ", n));
        const std::size_t values = count(normal[0]);
        if (values == 0)
            throw ValueError(message("these Scores lack the statistic",
                                     needs_profile(statistic) ? ": it needs a GradientProfile" : ""));
        means_.assign(values, 0);
        deviations_.assign(values, 0);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t k = 0; k < values; ++k) means_[k] += value(normal[i], k) / static_cast<double>(n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t k = 0; k < values; ++k) deviations_[k] += std::pow(value(normal[i], k) - means_[k], 2);
        for (std::size_t k = 0; k < values; ++k) {
            if (!is_finite(means_[k]))
                throw ValueError(
                    message("a standardised statistic is not finite on some normal sample",
                            needs_codes(statistic) ? "; it needs Scores made with a GradientProfile with codes" : ""));
            double& d = deviations_[k];
            d = std::sqrt(d / static_cast<double>(n - 1));
            if (d <= 1e-10 * std::abs(means_[k])) d = 0; // the rounding of the mean of what never varies
        }
        double square = 0;
        for (std::size_t i = 0; i < n; ++i) square += std::pow((*this)(normal[i]), 2);
        scale_ = square > 0 ? std::sqrt(static_cast<double>(n - 1) / square) : 0;
    }

    /// As a model file kept it. @throws ValueError for lists that differ in length or are empty
    StandardizedStatistic(Statistic statistic, std::vector<double> means, std::vector<double> deviations, double scale)
        : statistic_(statistic), means_(std::move(means)), deviations_(std::move(deviations)), scale_(scale) {
        if (means_.empty() || means_.size() != deviations_.size())
            throw ValueError(message("a standardised statistic needs as many means as deviations, 1 or more; given: ",
                                     means_.size(), " and ", deviations_.size()));
    }

    Statistic statistic() const { return statistic_; }
    const std::vector<double>& means() const { return means_; }
    const std::vector<double>& deviations() const { return deviations_; }
    double scale() const { return scale_; }

    /// NaN for a sample without that statistic.
    double operator()(const SampleStatistics& s) const {
        if (count(s) != means_.size()) return std::numeric_limits<double>::quiet_NaN();
        double sum = 0;
        for (std::size_t k = 0; k < means_.size(); ++k)
            if (deviations_[k] > 0) sum += (value(s, k) - means_[k]) / deviations_[k];
        return scale_ * sum / static_cast<double>(means_.size());
    }

  private:
    std::size_t count(const SampleStatistics& s) const { return values_of(statistic_, s).size(); }
    double value(const SampleStatistics& s, std::size_t k) const {
        const double v = values_of(statistic_, s)[k];
        if (statistic_ == Statistic::cosine || statistic_ == Statistic::mean_cosine) return -v;
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

    double operator()(const SampleStatistics& s) const {
        double sum = 0;
        for (const auto& term : terms) sum += term(s);
        return sum;
    }
};

/// The rule recommended after MNIST, Fashion-MNIST and CIFAR-10 (docs/results.md): how far the code lies from
/// those of training, and how badly the gradient aligns. What one misses the other finds.
/// @param normal scores of normal samples that training has not seen, with a profile
inline StandardizedSum recommended_score(const Scores& normal) {
    constexpr std::array statistics{Statistic::code_distance, Statistic::cosine};
    return StandardizedSum::fit(statistics, normal);
}

/// Fisher's combination: minus the sum of the logarithms of each statistic's conformal p-value,
/// p = (1 + normal samples that are as strange) / (1 + normal samples). The samples that a statistic is compared with
/// have also standardised it: of one value that is no matter (its order stays), but the p-value of a statistic of
/// several tensors is approximate.
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

    double operator()(const SampleStatistics& s) const {
        double total = 0;
        for (std::size_t t = 0; t < normal.size(); ++t) {
            const double value = sum.terms[t](s);
            if (is_nan(value)) return value;
            const auto stranger = normal[t].end() - std::ranges::lower_bound(normal[t], value);
            total -= std::log(static_cast<double>(1 + stranger) / static_cast<double>(1 + normal[t].size()));
        }
        return total;
    }
};

/// Minus the log density of the gradient's log norms, one normal distribution for each monitored tensor (Dauncey,
/// Holmes, Williams and Falck, 2024): unlike a sum it also finds gradients that are too small.
struct LogNormDensityScore {
    std::vector<double> means, deviations;

    /// @param normal of samples that training has not seen, 2 or more  @throws ValueError when there are fewer
    static LogNormDensityScore fit(const Scores& normal) {
        const StandardizedStatistic norms(Statistic::gradient_norm, normal);
        return {norms.means(), norms.deviations()};
    }

    /// NaN for a sample of another number of monitored tensors.
    double operator()(const SampleStatistics& s) const {
        if (means.size() != s.gradient_norm.size() || deviations.size() != means.size())
            return std::numeric_limits<double>::quiet_NaN();
        double sum = 0;
        for (std::size_t k = 0; k < means.size(); ++k) {
            const double z = (std::log(std::max(s.gradient_norm[k], 1e-300)) - means[k]) / deviations[k];
            if (deviations[k] > 0) sum += z * z / 2 + std::log(deviations[k] * std::sqrt(2 * std::numbers::pi));
        }
        return sum;
    }
};

namespace detail {
using ScoreRuleVariant = std::variant<GradConScore, ReconstructionScore, GradientScore, LatentScore, CodeDistanceScore,
                                      FinishedAlignmentScore, LogNormDensityScore, StandardizedSum, ConformalSum>;
}

/// Any of the rules above, chosen when running: a std::variant of them that is a rule itself.
struct AnyScoreRule : detail::ScoreRuleVariant {
    using detail::ScoreRuleVariant::variant;

    double operator()(const SampleStatistics& s) const {
        return std::visit([&](const auto& rule) { return rule(s); }, *this);
    }
};
/// Their names, in that order.
inline constexpr std::array<const char*, std::variant_size_v<detail::ScoreRuleVariant>> score_rule_names{
    "gradcon",          "reconstruction",   "gradient",     "latent", "code_distance", "finished_alignment",
    "log_norm_density", "standardized_sum", "conformal_sum"};
/// The names of the statistics, in the order of Statistic.
inline constexpr std::array<const char*, 7> statistic_names{"reconstruction_error", "cosine",      "gradient_norm",
                                                            "latent_divergence",    "mean_cosine", "fisher_norm",
                                                            "code_distance"};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
