#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/evaluation/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

// Tells when the scores of a stream no longer have the distribution of the calibration's scores. From then on the
// calibration's false-alarm rate does not hold.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

namespace detail {

/// The two-sample Kolmogorov-Smirnov distance of n and m ascending scores, times n m: the largest difference between
/// the two shares of scores that lie at or below some score.
inline std::uint64_t kolmogorov_smirnov_distance(std::span<const double> first, std::span<const double> second) {
    std::uint64_t i = 0, j = 0, largest = 0;
    const std::uint64_t n = first.size(), m = second.size();
    while (i < n && j < m) {
        const double at = std::min(first[i], second[j]);
        while (i < n && first[i] <= at) ++i;
        while (j < m && second[j] <= at) ++j;
        largest = std::max(largest, std::max(i * m, j * n) - std::min(i * m, j * n));
    }
    return largest;
}

/// The probability that this distance is `distance` or more if all orders of the n + m scores are equally likely. Exact
/// up to a relative 1e-15 (n + m), however small.
///
/// An order is a path from (0, 0) to (n, m). The last step of a path that ends at (i, j) came from (i - 1, j) with
/// probability i / (i + j). This gives a recursion for the share of paths that have touched |i m - j n| >= distance
/// (Viehmann, 2021). It only adds, and needs one row. Points outside the band are touched by definition.
/// @pre n, m > 0, and 2 n m can be counted
inline double kolmogorov_smirnov_tail(std::uint64_t n, std::uint64_t m, std::uint64_t distance) {
    if (distance == 0) return 1;
    std::vector<double> touched(m + 1, 1.0);
    for (std::uint64_t i = 0; i <= n; ++i) {
        const std::uint64_t first = i * m < distance ? 0 : (i * m - distance) / n + 1;
        const std::uint64_t last = std::min(m, (i * m + distance - 1) / n);
        if (first > 0) touched[first - 1] = 1;
        for (std::uint64_t j = first; j <= last; ++j) {
            // Two weights, because a quotient of the sum would have to wait for the neighbour on the left.
            const double x = static_cast<double>(i), y = static_cast<double>(j), inverse = 1 / std::max(x + y, 1.0);
            touched[j] = x * inverse * touched[j] + (j > 0 ? y * inverse * touched[j - 1] : 0);
        }
    }
    return std::min(touched[m], 1.0);
}

/// The smallest distance whose probability is at most `rate` (to within a relative 1e-12); above n m if there is none.
inline std::uint64_t critical_distance(std::uint64_t n, std::uint64_t m, double rate) {
    const std::uint64_t unit = std::gcd(n, m); // every distance is a multiple of it
    const auto rare = [&](std::uint64_t units) {
        return kolmogorov_smirnov_tail(n, m, units * unit) <= rate * (1 + 1e-12);
    };
    std::uint64_t low = 0, high = n / unit * m + 1;
    const auto narrow = [&](std::uint64_t units) {
        if (units > low && units < high) (rare(units) ? high : low) = units;
    };
    // For large samples it lies closely below the asymptotic one, which saves most of the bisection.
    const double sizes = static_cast<double>(n) * static_cast<double>(m) / static_cast<double>(n + m);
    const double guess = std::sqrt(std::log(2 / rate) / (2 * sizes)) * static_cast<double>(high);
    for (const double near : {guess, 0.97 * guess})
        if (near < static_cast<double>(high)) narrow(static_cast<std::uint64_t>(near));
    while (high - low > 1) narrow(low + (high - low) / 2);
    return high * unit;
}

} // namespace detail

struct DriftOptions {
    std::size_t window = 500;       // number of scores that are tested together, 1 or more
    double false_alarm_rate = 1e-4; // of each window, in (0, 1)
};

/// Tests a stream of scores for a change of their distribution, in location or in shape. It cuts the stream into
/// windows that do not overlap, and compares each with the calibration's normal scores by the two-sample
/// Kolmogorov-Smirnov test. The test is exact for samples of any size and scores of any distribution; ties only make
/// alarms rarer.
///
/// As long as the stream's samples are exchangeable with the calibration's, each window is an alarm with a probability
/// of at most `false_alarm_rate`. The expected number of alarms in N windows is then at most N * rate, and so is the
/// probability of any alarm. The windows share the calibration set, but neither bound needs independence. Neighbouring
/// frames of a video are not exchangeable with images of many days: give the monitor few of them, far apart.
///
/// Many anomalies in the stream change the distribution too, and are reported as drift. After an alarm, calibrate with
/// new normal images and make a new monitor. The network need not be trained again.
///
/// The constructor allocates all memory and finds the smallest distance that is an alarm. That takes 10 to 20 times up
/// to (normal scores * window) steps: less than a second for 1e5 and 500. Afterwards a window costs its sorting and one
/// pass over the normal scores, and `add` allocates nothing. One thread at a time may use a monitor.
class DriftMonitor {
  public:
    /// @throws ValueError when the calibration is empty, or an option is out of range
    /// @throws ValueError when there are so few normal scores that no window could be an alarm
    explicit DriftMonitor(const Calibration& calibration, DriftOptions options = {})
        : options_(options), normal_(calibration.normal_scores()) {
        if (normal_.empty()) throw ValueError("DriftMonitor: the calibration has no normal scores");
        if (options.window == 0) throw ValueError("DriftMonitor: needs window >= 1; given: 0");
        detail::check_rate("DriftMonitor", "false_alarm_rate", options.false_alarm_rate);
        critical_ = detail::critical_distance(normal_.size(), options.window, options.false_alarm_rate);
        if (critical_ > pairs())
            throw ValueError(message("DriftMonitor: ", normal_.size(), " normal scores and a window of ",
                                     options.window, " are too few for a false_alarm_rate of ",
                                     options.false_alarm_rate));
        window_.resize(options.window);
    }

    /// @param score the next one of the stream; NaN counts as infinity
    /// @return true when it completes a window that is an alarm
    bool add(double score) {
        window_[filled_++] = detail::comparable(score);
        if (filled_ < window_.size()) return false;
        filled_ = 0;
        ++windows_;
        std::ranges::sort(window_);
        distance_ = detail::kolmogorov_smirnov_distance(normal_, window_);
        return distance_ >= critical_;
    }

    /// The number of complete windows so far.
    std::size_t windows() const { return windows_; }
    /// The distance of the last window: the largest difference between the shares of its scores and of the normal ones
    /// that lie at or below some score, in [0, 1]. 0 before the first window.
    double distance() const { return static_cast<double>(distance_) / static_cast<double>(pairs()); }
    /// The smallest distance that is an alarm.
    double critical_distance() const { return static_cast<double>(critical_) / static_cast<double>(pairs()); }
    /// The probability of a distance as large as the last window's if there is no drift. 1 before the first window. It
    /// is computed at each call, in up to (normal scores * window) steps.
    double p_value() const { return detail::kolmogorov_smirnov_tail(normal_.size(), options_.window, distance_); }
    const DriftOptions& options() const { return options_; }

    /// Forgets all scores of the stream.
    void reset() { filled_ = windows_ = distance_ = 0; }

  private:
    std::uint64_t pairs() const { return std::uint64_t{normal_.size()} * options_.window; }

    DriftOptions options_;
    std::vector<double> normal_, window_;
    std::size_t filled_ = 0, windows_ = 0;
    std::uint64_t distance_ = 0, critical_ = 0;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
