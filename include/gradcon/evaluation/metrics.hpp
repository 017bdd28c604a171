#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

// How well scores tell anomalies from normal samples. intervals.hpp has the confidence intervals.
//
// Higher scores are more anomalous. `anomalous` has a label for each score: nonzero for an anomaly, 0 for a normal
// sample. Every score that reaches a threshold (score >= threshold) is an alarm, so tied scores are alarms together or
// not at all. Scores may be infinite, but not NaN. A metric that is undefined because a class is missing is an error.
// Unless said otherwise, every function throws ValueError when sizes differ, a score is NaN or one of the classes is
// empty. Counts are exact below 2^53 pairs.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// How many samples of each class are alarms at a threshold.
struct Confusion {
    double threshold = std::numeric_limits<double>::infinity();
    std::size_t true_positives = 0, false_positives = 0, true_negatives = 0, false_negatives = 0;

    /// The share of the anomalies that are alarms: the true-positive rate.
    /// @throws ValueError without anomalies
    double recall() const { return share("recall", true_positives, true_positives + false_negatives); }
    /// The share of the normal samples that are alarms.
    /// @throws ValueError without normal samples
    double false_positive_rate() const {
        return share("false_positive_rate", false_positives, false_positives + true_negatives);
    }
    /// The share of the alarms that are anomalies.
    /// @throws ValueError without alarms
    double precision() const { return share("precision", true_positives, true_positives + false_positives); }
    /// The harmonic mean of precision and recall; 0 when no anomaly is an alarm.
    /// @throws ValueError when there are neither anomalies nor alarms
    double f1() const {
        return share("f1", 2 * true_positives, 2 * true_positives + false_positives + false_negatives);
    }

  private:
    static double share(const char* name, std::size_t part, std::size_t whole) {
        if (whole == 0) throw ValueError(message("Confusion: ", name, " is undefined, its denominator is 0"));
        return static_cast<double>(part) / static_cast<double>(whole);
    }
};

namespace detail {

/// @param who the function that was called, with which each message begins
inline void check_scores(const char* who, std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    if (scores.size() != anomalous.size())
        throw ValueError(
            message(who, ": as many labels as scores are needed; given: ", anomalous.size(), " and ", scores.size()));
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (is_nan(scores[i])) throw ValueError(message(who, ": score ", i, " is not a number"));
}

/// Requires `least` anomalies and as many normal samples.
/// @return the number of anomalies
inline std::size_t check_classes(const char* who, std::span<const std::uint8_t> anomalous, std::size_t least) {
    const std::size_t normals = static_cast<std::size_t>(std::ranges::count(anomalous, std::uint8_t{0}));
    const std::size_t anomalies = anomalous.size() - normals;
    if (anomalies < least || normals < least)
        throw ValueError(message(who, ": needs anomalies and normal samples, ", least,
                                 " each or more; given: ", anomalies, " and ", normals));
    return anomalies;
}

/// Calls visit(samples) for each group of tied scores, the highest first.
template <class Visit>
void for_each_tie(std::span<const double> scores, Visit&& visit) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
        while (end < order.size() && !(scores[order[first]] > scores[order[end]])) ++end;
        visit(std::span<const std::size_t>(order).subspan(first, end - first));
    }
}

inline std::vector<Confusion> curve(const char* who, std::span<const double> scores,
                                    std::span<const std::uint8_t> anomalous) {
    check_scores(who, scores, anomalous);
    Confusion at;
    at.false_negatives = check_classes(who, anomalous, 1);
    at.true_negatives = scores.size() - at.false_negatives;
    std::vector<Confusion> points;
    for_each_tie(scores, [&](std::span<const std::size_t> tied) {
        for (const std::size_t i : tied) {
            ++(anomalous[i] ? at.true_positives : at.false_positives);
            --(anomalous[i] ? at.false_negatives : at.true_negatives);
        }
        at.threshold = scores[tied.front()];
        points.push_back(at);
    });
    return points;
}

} // namespace detail

/// The counts at one threshold. Its members f1(), precision() and so on are the metrics there.
/// @param threshold any number or infinity
/// @throws ValueError when sizes differ or a number is NaN; a class may be empty
inline Confusion confusion(std::span<const double> scores, std::span<const std::uint8_t> anomalous, double threshold) {
    detail::check_scores("confusion", scores, anomalous);
    if (is_nan(threshold)) throw ValueError("confusion: the threshold is not a number");
    Confusion counts;
    counts.threshold = threshold;
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (scores[i] >= threshold) ++(anomalous[i] ? counts.true_positives : counts.false_positives);
        else ++(anomalous[i] ? counts.false_negatives : counts.true_negatives);
    return counts;
}

/// The counts at each distinct score as threshold, the highest first. (false_positive_rate(), recall()) are the points
/// of the ROC curve without its origin, (recall(), precision()) those of the precision-recall curve.
inline std::vector<Confusion> roc_curve(std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    return detail::curve("roc_curve", scores, anomalous);
}

/// The area under the ROC curve: the probability that a random anomaly scores higher than a random normal sample, ties
/// counting one half (Mann and Whitney). Exact, in [0, 1].
inline double auroc(std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    const std::vector<Confusion> points = detail::curve("auroc", scores, anomalous);
    double doubled_pairs = 0;
    Confusion before;
    for (const Confusion& at : points) { // a trapezoid each: the tied normal samples by the anomalies above and beside
        doubled_pairs += static_cast<double>(at.false_positives - before.false_positives) *
                         static_cast<double>(at.true_positives + before.true_positives);
        before = at;
    }
    return doubled_pairs /
           (2 * static_cast<double>(before.true_positives) * static_cast<double>(before.false_positives));
}

/// Average precision: the precision at each distinct threshold, weighted by the recall gained there. This is
/// scikit-learn's definition, which does not interpolate; in (0, 1], and the share of anomalies when all are tied.
inline double average_precision(std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    double sum = 0, recall = 0;
    for (const Confusion& at : detail::curve("average_precision", scores, anomalous)) {
        sum += (at.recall() - recall) * at.precision();
        recall = at.recall();
    }
    return sum;
}

/// The counts at the distinct score with the highest F1; the highest such score if there are several. A threshold that
/// is evaluated on the samples that it was chosen on flatters the detector.
inline Confusion best_f1(std::span<const double> scores, std::span<const std::uint8_t> anomalous) {
    return std::ranges::max(detail::curve("best_f1", scores, anomalous), {}, &Confusion::f1);
}

/// The smallest false-positive rate among the thresholds that find a share `tpr` of the anomalies or more; in [0, 1].
/// There is no interpolation: the false alarms tied with the last anomaly needed count in full.
/// @param tpr in (0, 1]; met to within a relative 1e-12, so that 19 of 20 is a share of 0.95
/// @throws ValueError as all metrics do, and when tpr is out of range
inline double fpr_at_tpr(std::span<const double> scores, std::span<const std::uint8_t> anomalous, double tpr = 0.95) {
    if (is_nan(tpr) || tpr <= 0 || tpr > 1) throw ValueError(message("fpr_at_tpr: needs 0 < tpr <= 1; given: ", tpr));
    const std::vector<Confusion> points = detail::curve("fpr_at_tpr", scores, anomalous);
    const double needed = tpr * static_cast<double>(points.back().true_positives) * (1 - 1e-12);
    // Both rates grow along the curve, so the first point that will do is the best.
    return std::ranges::find_if(points,
                                [&](const Confusion& at) { return static_cast<double>(at.true_positives) >= needed; })
        ->false_positive_rate();
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
