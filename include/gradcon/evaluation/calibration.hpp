#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/evaluation/intervals.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

// Which score is an alarm, decided on normal samples alone so that false alarms have a bounded rate. Higher scores are
// more anomalous, and a threshold raises an alarm for every score that reaches it, as in metrics.hpp; where labelled
// anomalies are at hand, best_f1 there has a threshold too.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

namespace detail {

inline void check_rate(const char* who, const char* name, double rate) {
    if (is_nan(rate) || rate <= 0 || rate >= 1)
        throw ValueError(message(who, ": needs 0 < ", name, " < 1; given: ", rate));
}

/// A score as it is compared with others: NaN is as high as infinity, and what is too small to be a normal number is 0,
/// as it is for the comparisons of a program compiled with -ffast-math.
inline double comparable(double score) {
    if (is_nan(score)) return std::numeric_limits<double>::infinity();
    return std::abs(score) < std::numeric_limits<double>::min() ? 0 : score;
}

/// The next number above a comparable one that is not infinite.
inline double next_above(double score) {
    return score >= 0 && score < std::numeric_limits<double>::min()
               ? std::numeric_limits<double>::min()
               : std::nextafter(score, std::numeric_limits<double>::infinity());
}

/// The probability of k successes or more among n, each having probability x: the regularised incomplete beta function
/// I_x(k, n + 1 - k). All terms are positive and relative to the largest, so that nothing cancels or overflows.
/// @pre 0 < x < 1, k <= n
inline double binomial_tail(std::size_t n, std::size_t k, double x) {
    const std::size_t mode = std::min(n, static_cast<std::size_t>(static_cast<double>(n + 1) * x));
    const double odds = x / (1 - x);
    double all = 0, tail = 0, term = 1;
    const auto add = [&](std::size_t i) {
        all += term;
        if (i >= k) tail += term;
    };
    for (std::size_t i = mode; i <= n && term > 1e-300; ++i) {
        add(i);
        term *= odds * static_cast<double>(n - i) / static_cast<double>(i + 1);
    }
    term = 1;
    for (std::size_t i = mode; i > 0 && term > 1e-300; --i) {
        term *= static_cast<double>(i) / (odds * static_cast<double>(n - i + 1));
        add(i - 1);
    }
    return tail / all;
}

/// The x with binomial_tail(n, k, x) = p: the quantile of the Beta(k, n + 1 - k) distribution.
/// @pre 0 < p < 1, 1 <= k <= n
inline double beta_quantile(std::size_t n, std::size_t k, double p) {
    double low = 0, high = 1;
    for (int step = 0; step < 100; ++step) {
        const double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) break;
        (binomial_tail(n, k, middle) < p ? low : high) = middle;
    }
    return low + (high - low) / 2;
}

} // namespace detail

/// So many normal scores a Calibration needs for a rate of false alarms: ceil(1 / rate) - 1. With fewer there are no
/// alarms, because the smallest p-value, 1 / (n + 1), is above the rate.
/// @param false_alarm_rate in (0, 1)  @throws ValueError when it is out of range
inline std::size_t samples_needed(double false_alarm_rate) {
    detail::check_rate("samples_needed", "false_alarm_rate", false_alarm_rate);
    const double samples = std::ceil(1 / false_alarm_rate * (1 - 1e-12)) - 1;
    return static_cast<std::size_t>(std::min(samples, 0x1p63));
}

/// What normal samples score, and with it p-values, thresholds and alarms (split conformal prediction: Vovk, Gammerman
/// and Shafer, 2005; for anomalies Laxhammar and Falkman, 2010, and Bates et al., 2023). The samples are ones that
/// neither training nor the fit of a score rule has seen, or their scores are too low and false alarms too many.
///
/// For a new normal sample that is exchangeable with them (drawn in the same way, independently) the probability of
/// p_value <= a is at most a, for every a, every distribution of the scores and any number of them; ties only make it
/// smaller. This probability is over the draw of the calibration set too: false_alarm_interval says how far the rate
/// of one set may lie from it.
///
/// A score of NaN counts as infinity, and both are an alarm whatever the threshold: an image with a NaN pixel never
/// passes as normal. Numbers below the smallest normal one (2.2e-308) count as 0.
class Calibration {
  public:
    /// Not calibrated: there is no p-value, and without a threshold of your own no alarm. Asking for one is an error.
    Calibration() = default;

    /// @param normal_scores one or more, finite, in any order; samples_needed(rate) of them or more for any alarm
    /// @param false_alarm_rate in (0, 1), of threshold() and is_anomalous
    /// @throws ValueError when there is no score, one is not finite, or the rate is out of range
    explicit Calibration(std::vector<double> normal_scores, double false_alarm_rate = 0.01)
        : normal_(std::move(normal_scores)), rate_(false_alarm_rate) {
        detail::check_rate("Calibration", "false_alarm_rate", rate_);
        if (normal_.empty()) throw ValueError("Calibration: needs the score of one normal sample or more; given: 0");
        for (std::size_t i = 0; i < normal_.size(); ++i) {
            if (!is_finite(normal_[i]))
                throw ValueError(message("Calibration: normal score ", i, " is not finite: ", normal_[i]));
            normal_[i] = detail::comparable(normal_[i]);
        }
        std::ranges::sort(normal_);
    }

    bool empty() const { return normal_.empty(); }
    std::size_t size() const { return normal_.size(); }
    /// Ascending.
    const std::vector<double>& normal_scores() const { return normal_; }
    double false_alarm_rate() const { return rate_; }
    /// The threshold that with_threshold set, if one is set.
    std::optional<double> own_threshold() const { return own_threshold_; }

    /// The same with another rate and its threshold, instead of one's own if there was one.
    /// @param rate in (0, 1)  @throws ValueError when it is out of range
    Calibration with_false_alarm_rate(double rate) const {
        detail::check_rate("Calibration::with_false_alarm_rate", "rate", rate);
        Calibration changed = *this;
        changed.rate_ = rate;
        changed.own_threshold_.reset();
        return changed;
    }

    /// The same with a threshold of your own, from which threshold() and is_anomalous go from then on.
    /// @param threshold any number or infinity  @throws ValueError when it is NaN
    Calibration with_threshold(double threshold) const {
        if (is_nan(threshold)) throw ValueError("Calibration::with_threshold: the threshold is not a number");
        Calibration changed = *this;
        changed.own_threshold_ = threshold;
        return changed;
    }

    /// (1 + normal scores that are as high) / (1 + normal scores), in (0, 1].
    /// @throws ValueError when this is not calibrated
    double p_value(double score) const {
        check_calibrated("p_value");
        const auto as_high = normal_.end() - std::ranges::lower_bound(normal_, detail::comparable(score));
        return static_cast<double>(1 + as_high) / static_cast<double>(1 + normal_.size());
    }

    /// The smallest threshold of this rate of false alarms: a finite score reaches it exactly if its p_value is at most
    /// `rate` (to within a relative 1e-12, lest 3 of 10 be more than 0.3). It is the next number above one of the
    /// normal scores; infinity when there are fewer than samples_needed(rate).
    /// @param rate in (0, 1)  @throws ValueError when it is out of range, or this is not calibrated
    double threshold(double rate) const {
        check_calibrated("threshold");
        const std::size_t alarms = allowed("Calibration::threshold", rate);
        if (alarms == 0) return std::numeric_limits<double>::infinity();
        return detail::next_above(normal_[normal_.size() - alarms]);
    }

    /// Your own threshold, if one is set, or that of false_alarm_rate().
    /// @throws ValueError when none is set and this is not calibrated
    double threshold() const { return own_threshold_ ? *own_threshold_ : threshold(rate_); }

    /// Does the score reach threshold()? NaN and infinity always do, minus infinity never does.
    /// @throws ValueError as threshold() does
    bool is_anomalous(double score) const {
        const double limit = threshold(), compared = detail::comparable(score);
        return is_finite(compared) ? compared >= limit : compared > 0;
    }

    /// Where the share of false alarms of threshold(rate) lies in the long run, for this one calibration set: `value`
    /// is its mean over all sets of this size, k / (n + 1) with k = floor(rate (n + 1)), `low` and `high` hold it with
    /// probability `confidence`, (1 - confidence) / 2 being on either side. For scores without ties it has a
    /// Beta(k, n + 1 - k) distribution (Vovk, 2012); with ties it is smaller, and only `high` holds. All are 0 with
    /// fewer than samples_needed(rate).
    /// @param rate, confidence in (0, 1)  @throws ValueError when one is out of range, or this is not calibrated
    Interval false_alarm_interval(double rate, double confidence = 0.95) const {
        check_calibrated("false_alarm_interval");
        const std::size_t n = normal_.size(), k = allowed("Calibration::false_alarm_interval", rate);
        detail::check_confidence("Calibration::false_alarm_interval", confidence);
        if (k == 0) return {0, 0, 0, 0};
        const double mean = static_cast<double>(k) / static_cast<double>(n + 1);
        return {mean, detail::beta_quantile(n, k, (1 - confidence) / 2),
                detail::beta_quantile(n, k, (1 + confidence) / 2),
                std::sqrt(mean * (1 - mean) / static_cast<double>(n + 2))};
    }

  private:
    void check_calibrated(const char* what) const {
        if (empty()) throw ValueError(message("Calibration::", what, ": there are no normal scores"));
    }

    /// How many p-values 1 / (n + 1), 2 / (n + 1), ... are at most the rate; fewer than n + 1, as the last is 1.
    std::size_t allowed(const char* who, double rate) const {
        detail::check_rate(who, "rate", rate);
        const double count = rate * static_cast<double>(normal_.size() + 1) * (1 + 1e-12);
        return std::min(static_cast<std::size_t>(count), normal_.size());
    }

    std::vector<double> normal_;
    double rate_ = 0.01;
    std::optional<double> own_threshold_;
};

/// Which of many samples are anomalies, so that of those named a share of `false_discovery_rate` or less are false, in
/// expectation (Benjamini and Hochberg, 1995): 1 for each that is named. This holds for p-values of normal samples that
/// are independent, and for those that one Calibration gives to independent samples with scores without ties (Bates et
/// al., 2023); the share is then at most the rate times the share of the normal samples.
/// @param p_values in [0, 1], none or more
/// @param false_discovery_rate in (0, 1); met to within a relative 1e-12
/// @throws ValueError when a number is NaN or out of range
inline std::vector<std::uint8_t> benjamini_hochberg(std::span<const double> p_values, double false_discovery_rate) {
    detail::check_rate("benjamini_hochberg", "false_discovery_rate", false_discovery_rate);
    for (std::size_t i = 0; i < p_values.size(); ++i)
        if (is_nan(p_values[i]) || p_values[i] < 0 || p_values[i] > 1)
            throw ValueError(message("benjamini_hochberg: needs 0 <= p <= 1; p-value ", i, " is ", p_values[i]));
    std::vector<double> sorted(p_values.begin(), p_values.end());
    std::ranges::sort(sorted);
    const double step = false_discovery_rate / static_cast<double>(sorted.size()) * (1 + 1e-12);
    std::size_t named = sorted.size();
    while (named > 0 && sorted[named - 1] > static_cast<double>(named) * step) --named;
    std::vector<std::uint8_t> anomalous(p_values.size(), 0);
    if (named > 0)
        std::ranges::transform(p_values, anomalous.begin(), [last = sorted[named - 1]](double p) { return p <= last; });
    return anomalous;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
