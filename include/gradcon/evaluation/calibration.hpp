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

// Chooses a threshold from normal samples alone, so that the rate of false alarms is bounded. Higher scores are more
// anomalous; every score that reaches the threshold is an alarm. With labelled anomalies, best_f1 in metrics.hpp
// chooses a threshold too.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

namespace detail {

inline void check_rate(const char* who, const char* name, double rate) {
    if (is_nan(rate) || rate <= 0 || rate >= 1)
        throw ValueError(message(who, ": needs 0 < ", name, " < 1; given: ", rate));
}

/// The number by which a score is compared: infinity for NaN, and 0 for subnormal numbers, which programs compiled with
/// -ffast-math take for 0 too.
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

/// The probability of k or more successes in n trials of probability x: the regularised incomplete beta function
/// I_x(k, n + 1 - k). All terms are positive and relative to the largest, so nothing cancels or overflows.
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

/// The number of normal scores that a Calibration needs for a rate of false alarms: ceil(1 / rate) - 1. With fewer
/// there are no alarms, because the smallest p-value, 1 / (n + 1), is above the rate.
/// @param false_alarm_rate in (0, 1)
/// @throws ValueError when it is out of range
inline std::size_t samples_needed(double false_alarm_rate) {
    detail::check_rate("samples_needed", "false_alarm_rate", false_alarm_rate);
    const double samples = std::ceil(1 / false_alarm_rate * (1 - 1e-12)) - 1;
    return static_cast<std::size_t>(std::min(samples, 0x1p63));
}

/// The false-alarm rate of a calibration that nobody gave another.
inline constexpr double default_false_alarm_rate = 0.01;

/// The rate that a calibration with so many normal samples has: the wanted one. Where none is wanted, it is 0.01 or, if
/// the samples are too few for that, the least that they can keep.
/// @param samples 0: not calibrated  @throws ValueError when the wanted rate needs more samples
inline double usable_false_alarm_rate(std::optional<double> wanted, std::size_t samples) {
    const double rate = wanted.value_or(default_false_alarm_rate);
    const std::size_t needed = samples_needed(rate);
    if (samples >= needed || (samples == 0 && !wanted)) return rate;
    if (wanted)
        throw ValueError(message("a false-alarm rate of ", rate, " needs ", needed,
                                 " normal samples to calibrate with; there are ", samples));
    return 1.000001 / static_cast<double>(samples + 1);
}

/// The scores of normal samples, and the p-values, thresholds and alarms that follow from them (split conformal
/// prediction: Vovk, Gammerman and Shafer, 2005; for anomalies Laxhammar and Falkman, 2010, and Bates et al., 2023).
/// Neither training nor the fit of a score rule may have seen the samples. Otherwise their scores are too low, and
/// there are too many false alarms.
///
/// A new normal sample that is exchangeable with them (drawn in the same way, independently) has a p_value <= a with a
/// probability of at most a. This holds for every a, every distribution of the scores and any number of them; ties only
/// make the probability smaller. It is a probability over the draw of the calibration set too. false_alarm_interval
/// tells how far the rate of one set may lie from it.
///
/// NaN counts as infinity, and infinity is an alarm at any threshold: an image with a NaN pixel never passes as normal.
/// Numbers below the smallest normal one (2.2e-308) count as 0.
class Calibration {
  public:
    /// Not calibrated: asking for a p-value is an error, and for an alarm too unless with_threshold sets a threshold.
    Calibration() = default;

    /// @param normal_scores one or more, finite, in any order; with fewer than samples_needed(rate) there is no alarm
    /// @param false_alarm_rate in (0, 1), for threshold() and is_anomalous
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

    /// The same scores with another rate. A threshold that with_threshold set is dropped.
    /// @param rate in (0, 1)
    /// @throws ValueError when it is out of range
    Calibration with_false_alarm_rate(double rate) const {
        detail::check_rate("Calibration::with_false_alarm_rate", "rate", rate);
        Calibration changed = *this;
        changed.rate_ = rate;
        changed.own_threshold_.reset();
        return changed;
    }

    /// The same scores with a threshold of your own for threshold() and is_anomalous.
    /// @param threshold any number or infinity
    /// @throws ValueError when it is NaN
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

    /// The smallest threshold with this rate of false alarms: a finite score reaches it exactly if its p_value is at
    /// most `rate` (to within a relative 1e-12, so that 3 of 10 is at most 0.3). It is the next number above one of the
    /// normal scores; infinity when there are fewer than samples_needed(rate).
    /// @param rate in (0, 1)
    /// @throws ValueError when it is out of range, or this is not calibrated
    double threshold(double rate) const {
        check_calibrated("threshold");
        const std::size_t alarms = allowed("Calibration::threshold", rate);
        if (alarms == 0) return std::numeric_limits<double>::infinity();
        return detail::next_above(normal_[normal_.size() - alarms]);
    }

    /// The threshold that with_threshold set, or else that of false_alarm_rate().
    /// @throws ValueError when none is set and this is not calibrated
    double threshold() const { return own_threshold_ ? *own_threshold_ : threshold(rate_); }

    /// Whether the score reaches threshold(). NaN and infinity always do, minus infinity never does.
    /// @throws ValueError as threshold() does
    bool is_anomalous(double score) const {
        const double limit = threshold(), compared = detail::comparable(score);
        return is_finite(compared) ? compared >= limit : compared > 0;
    }

    /// The long-run rate of false alarms of threshold(rate) for this one calibration set of n scores. It varies from
    /// set to set: for scores without ties it has a Beta(k, n + 1 - k) distribution, k = floor(rate (n + 1)) (Vovk,
    /// 2012). `value` is its mean k / (n + 1), `standard_error` its deviation. It lies between `low` and `high` with
    /// probability `confidence`, and beyond either with (1 - confidence) / 2. With ties the rate is smaller, and only
    /// `high` holds. All are 0 with fewer than samples_needed(rate).
    /// @param rate, confidence in (0, 1)
    /// @throws ValueError when one is out of range, or this is not calibrated
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

    /// The number of p-values 1 / (n + 1), 2 / (n + 1), ... that are at most the rate; below n + 1, as the last is 1.
    std::size_t allowed(const char* who, double rate) const {
        detail::check_rate(who, "rate", rate);
        const double count = rate * static_cast<double>(normal_.size() + 1) * (1 + 1e-12);
        return std::min(static_cast<std::size_t>(count), normal_.size());
    }

    std::vector<double> normal_;
    double rate_ = 0.01;
    std::optional<double> own_threshold_;
};

/// Names the anomalies among many samples so that the expected share of normal samples among those named is at most
/// `false_discovery_rate` (Benjamini and Hochberg, 1995). This holds for independent p-values of normal samples. It
/// also holds for the p-values that one Calibration gives to independent samples with scores without ties (Bates et
/// al., 2023): the expected share is then at most the rate times the share of normal samples among all.
/// @param p_values in [0, 1], none or more
/// @param false_discovery_rate in (0, 1); met to within a relative 1e-12
/// @return 1 for each sample that is named, 0 for the others
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
