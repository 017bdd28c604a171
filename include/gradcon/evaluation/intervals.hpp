#pragma once

#include "gradcon/core/random.hpp"
#include "gradcon/evaluation/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numbers>
#include <span>
#include <type_traits>
#include <vector>

// Confidence intervals of metrics, and tests of the difference between two scores: DeLong's for the AUROC, the
// bootstrap for any metric. Errors are those of metrics.hpp.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// An estimate with its confidence interval.
struct Interval {
    double value, low, high, standard_error;
};

/// The scores of two detectors for the same samples.
struct PairedScores {
    std::span<const double> first, second;
    std::span<const std::uint8_t> anomalous;
};

/// The difference between the metrics of two scores, first minus second, with the p-values of the hypothesis that the
/// scores are equally good: `p_greater` against first > second only, `p_two_sided` against both directions.
struct Comparison : Interval {
    double p_greater, p_two_sided;
};

/// A number for scores and labels, such as `auroc` or a lambda around `best_f1`.
template <class F>
concept Metric = std::is_invocable_r_v<double, F&, std::span<const double>, std::span<const std::uint8_t>>;

/// The x below which a standard normal variable falls with probability p; error below 1e-14 (1 + |x|).
/// @throws ValueError unless 1e-280 <= p < 1; below, products with p would underflow
inline double normal_quantile(double p) {
    if (is_nan(p) || p < 1e-280 || p >= 1)
        throw ValueError(message("normal_quantile: needs 1e-280 <= p < 1; given: ", p));
    if (p > 0.5) return -normal_quantile(1 - p);
    // Newton's method for log Phi(x) = log p. Phi(x) <= exp(-x^2 / 2) / 2, so it starts at the root or to its left; and
    // log Phi is concave, so every step stays there.
    double x = -std::sqrt(-2 * std::log(2 * p));
    for (int step = 0; step < 8; ++step) {
        const double below = std::erfc(-x / std::numbers::sqrt2) / 2;
        const double density = std::exp(-x * x / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
        x += std::log(p / below) * (below / density);
    }
    return x;
}

namespace detail {

inline void check_confidence(const char* who, double confidence) {
    if (is_nan(confidence) || confidence <= 0 || confidence >= 1)
        throw ValueError(message(who, ": needs 0 < confidence < 1; given: ", confidence));
}

struct Moments {
    double mean = 0, variance = 0;
};

/// Mean and variance (divided by n - 1) of two values or more. They are taken relative to the first value, so that
/// equal values have a variance of exactly 0.
inline Moments moments(std::span<const double> values) {
    const double n = static_cast<double>(values.size());
    double sum = 0, squares = 0;
    for (const double value : values) sum += value - values[0];
    const double mean = sum / n;
    for (const double value : values) squares += (value - values[0] - mean) * (value - values[0] - mean);
    return {values[0] + mean, squares / (n - 1)};
}

/// What each sample adds to the AUROC: for an anomaly, the number of normal samples that score lower; for a normal
/// sample, the number of anomalies that score higher. Ties count one half. Both are in the order of the samples.
struct Placements {
    std::vector<double> of_anomalies, of_normals;
};

inline Placements placements(const char* who, std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    check_scores(who, scores, anomalous);
    const std::size_t anomalies = check_classes(who, anomalous, 2), normals = scores.size() - anomalies;
    std::vector<double> counts(scores.size());
    double anomalies_above = 0, normals_below = static_cast<double>(normals);
    for_each_tie(scores, [&](std::span<const std::size_t> tied) {
        double tied_anomalies = 0;
        for (const std::size_t i : tied) tied_anomalies += anomalous[i] ? 1 : 0;
        const double tied_normals = static_cast<double>(tied.size()) - tied_anomalies;
        normals_below -= tied_normals;
        for (const std::size_t i : tied)
            counts[i] = anomalous[i] ? normals_below + tied_normals / 2 : anomalies_above + tied_anomalies / 2;
        anomalies_above += tied_anomalies;
    });
    Placements placed;
    for (std::size_t i = 0; i < scores.size(); ++i)
        (anomalous[i] ? placed.of_anomalies : placed.of_normals).push_back(counts[i]);
    return placed;
}

/// DeLong's estimate of an AUROC, or of a difference of AUROCs from the differences of placements.
inline Interval delong(const Placements& placed, double confidence) {
    const double anomalies = static_cast<double>(placed.of_anomalies.size());
    const double normals = static_cast<double>(placed.of_normals.size());
    const Moments of_anomalies = moments(placed.of_anomalies), of_normals = moments(placed.of_normals);
    const double value = of_anomalies.mean / normals;
    const double error = std::sqrt(of_anomalies.variance / (normals * normals * anomalies) +
                                   of_normals.variance / (anomalies * anomalies * normals));
    const double reach = -normal_quantile((1 - confidence) / 2) * error;
    return {value, value - reach, value + reach, error};
}

/// Resamples each class with replacement, so that the numbers of anomalies and of normal samples stay the same.
class StratifiedResampler {
  public:
    StratifiedResampler(const char* who, std::span<const std::uint8_t> anomalous) : anomalous_(anomalous) {
        check_classes(who, anomalous, 2);
        for (std::size_t i = 0; i < anomalous.size(); ++i) members_[anomalous[i] ? 1 : 0].push_back(i);
        drawn_.resize(anomalous.size());
        values_.resize(anomalous.size());
    }

    /// Replaces every sample by one of its own class, so that the labels stay the same.
    void draw(Rng& rng) {
        for (std::size_t i = 0; i < drawn_.size(); ++i) {
            const auto& members = members_[anomalous_[i] ? 1 : 0];
            drawn_[i] = members[random_index(rng, members.size())];
        }
    }

    /// The metric of the samples last drawn.
    template <Metric F>
    double apply(F& metric, std::span<const double> scores) {
        std::ranges::transform(drawn_, values_.begin(), [&](std::size_t i) { return scores[i]; });
        return std::invoke(metric, std::span<const double>(values_), anomalous_);
    }

  private:
    std::span<const std::uint8_t> anomalous_;
    std::array<std::vector<std::size_t>, 2> members_; // normal samples, anomalies
    std::vector<std::size_t> drawn_;
    std::vector<double> values_;
};

/// `resamples` results of draw(), sorted.
template <class Draw>
std::vector<double> bootstrap(const char* who, std::size_t resamples, double confidence, Draw&& draw) {
    check_confidence(who, confidence);
    if (resamples < 2) throw ValueError(message(who, ": needs two resamples or more; given: ", resamples));
    std::vector<double> draws(resamples);
    for (double& value : draws) {
        value = draw();
        if (!is_finite(value)) throw ValueError(message(who, ": a resample's metric is not finite"));
    }
    std::ranges::sort(draws);
    return draws;
}

/// The percentile interval: the quantiles of the sorted draws, linear between two of them.
inline Interval percentile_interval(double value, std::span<const double> draws, double confidence) {
    const auto quantile = [&](double p) {
        const double position = p * static_cast<double>(draws.size() - 1);
        const std::size_t below = static_cast<std::size_t>(position), above = std::min(below + 1, draws.size() - 1);
        return draws[below] + (position - static_cast<double>(below)) * (draws[above] - draws[below]);
    };
    return {value, quantile((1 - confidence) / 2), quantile((1 + confidence) / 2), std::sqrt(moments(draws).variance)};
}

} // namespace detail

/// AUROC with DeLong's standard error and the normal interval, cut to [0, 1] (DeLong, DeLong and Clarke-Pearson, 1988;
/// from one sort: Sun and Xu, 2014). If the classes do not overlap, the standard error is 0 and the interval a point,
/// however few the samples.
/// @param confidence in (0, 1)
/// @throws ValueError as `auroc` does
/// @throws ValueError when a class has fewer than two samples, or confidence is out of range
inline Interval auroc_interval(std::span<const double> scores, std::span<const std::uint8_t> anomalous,
                               double confidence = 0.95) {
    detail::check_confidence("auroc_interval", confidence);
    Interval interval = detail::delong(detail::placements("auroc_interval", scores, anomalous), confidence);
    interval.low = std::max(interval.low, 0.0);
    interval.high = std::min(interval.high, 1.0);
    return interval;
}

/// DeLong's test of the AUROCs of two scores for the same samples: their difference with its standard error, normal
/// interval (not cut) and p values of the normal test. Sources as for `auroc_interval`.
/// @param confidence in (0, 1)
/// @throws ValueError as `auroc_interval` does for either score
/// @throws ValueError when the standard error is 0, which leaves the test undefined: the scores rank the samples alike,
/// or both without an error
inline Comparison auroc_difference(const PairedScores& samples, double confidence = 0.95) {
    detail::check_confidence("auroc_difference", confidence);
    detail::Placements difference = detail::placements("auroc_difference", samples.first, samples.anomalous);
    const detail::Placements second = detail::placements("auroc_difference", samples.second, samples.anomalous);
    std::ranges::transform(difference.of_anomalies, second.of_anomalies, difference.of_anomalies.begin(),
                           std::minus<>());
    std::ranges::transform(difference.of_normals, second.of_normals, difference.of_normals.begin(), std::minus<>());
    const Interval interval = detail::delong(difference, confidence);
    if (interval.standard_error <= 0)
        throw ValueError(message("auroc_difference: the difference ", interval.value,
                                 " has a standard error of 0, which leaves its test undefined"));
    const double z = interval.value / interval.standard_error / std::numbers::sqrt2;
    return {interval, std::erfc(z) / 2, std::erfc(std::abs(z))};
}

/// Any metric with its percentile bootstrap interval and bootstrap standard error (Efron and Tibshirani, 1993). Each
/// class is resampled separately, so every resample has as many anomalies as the samples.
/// @param metric called with resampled scores and the labels; its value must be finite
/// @param resamples 2 or more; about 2000 for an interval
/// @param confidence in (0, 1)
/// @throws ValueError when sizes differ, a score is NaN, or a class has fewer than two samples
/// @throws ValueError when the metric of a resample is not finite, or an argument is out of range
/// @throws whatever the metric throws
template <Metric F>
Interval bootstrap_interval(F&& metric, std::span<const double> scores, std::span<const std::uint8_t> anomalous,
                            Rng& rng, std::size_t resamples = 2000, double confidence = 0.95) {
    const char* who = "bootstrap_interval";
    detail::check_scores(who, scores, anomalous);
    detail::StratifiedResampler resampler(who, anomalous);
    const double value = std::invoke(metric, scores, anomalous);
    const std::vector<double> draws = detail::bootstrap(who, resamples, confidence, [&] {
        resampler.draw(rng);
        return resampler.apply(metric, scores);
    });
    return detail::percentile_interval(value, draws, confidence);
}

/// The difference between a metric of two scores, averaged over several sets of samples (such as the classes of a
/// protocol, each the normal one in turn), with its paired bootstrap. In every resample both scores are of the same
/// samples. The sets are resampled independently, each as `bootstrap_interval` does, and have equal weights.
///
/// `p_greater` = (1 + count) / (1 + resamples), where `count` resamples have a difference of 0 or less; it is never 0.
/// `p_two_sided` is twice the smaller of the two sides' p-values, at most 1. It agrees with the percentile interval
/// about 0, up to one resample.
/// @param sets one or more
/// @throws ValueError when there is no set
/// @throws as `bootstrap_interval` does
template <Metric F>
Comparison bootstrap_difference(F&& metric, std::span<const PairedScores> sets, Rng& rng, std::size_t resamples = 2000,
                                double confidence = 0.95) {
    const char* who = "bootstrap_difference";
    if (sets.empty()) throw ValueError(message(who, ": needs a set of samples or more"));
    const double count = static_cast<double>(sets.size());
    std::vector<detail::StratifiedResampler> resamplers;
    double value = 0;
    for (const PairedScores& set : sets) {
        detail::check_scores(who, set.first, set.anomalous);
        detail::check_scores(who, set.second, set.anomalous);
        resamplers.emplace_back(who, set.anomalous);
        value +=
            (std::invoke(metric, set.first, set.anomalous) - std::invoke(metric, set.second, set.anomalous)) / count;
    }
    const std::vector<double> draws = detail::bootstrap(who, resamples, confidence, [&] {
        double difference = 0;
        for (std::size_t k = 0; k < sets.size(); ++k) {
            resamplers[k].draw(rng);
            difference +=
                (resamplers[k].apply(metric, sets[k].first) - resamplers[k].apply(metric, sets[k].second)) / count;
        }
        return difference;
    });
    const auto share = [&](auto holds) {
        return static_cast<double>(1 + std::ranges::count_if(draws, holds)) / static_cast<double>(1 + resamples);
    };
    const double p_greater = share([](double difference) { return difference <= 0; });
    const double p_less = share([](double difference) { return difference >= 0; });
    return {detail::percentile_interval(value, draws, confidence), p_greater,
            std::min(1.0, 2 * std::min(p_greater, p_less))};
}

/// The same for one set of samples.
template <Metric F>
Comparison bootstrap_difference(F&& metric, const PairedScores& samples, Rng& rng, std::size_t resamples = 2000,
                                double confidence = 0.95) {
    return bootstrap_difference(metric, std::span(&samples, 1), rng, resamples, confidence);
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
