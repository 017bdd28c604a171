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

// Do the scores of a stream still come from where the calibration's came? If not, its false-alarm rate holds no more.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

namespace detail {

/// n m times the largest difference between the shares of two samples, of n and m ascending scores, that lie at or
/// below a score.
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

/// The probability that this distance is `distance` or more when all orders of the n + m scores are equally likely.
/// Exact up to a relative 1e-15 (n + m), however small.
///
/// An order is a path from (0, 0) to (n, m). Of all that end at (i, j), the last step came from (i - 1, j) with
/// probability i / (i + j), which makes a recursion for the share that has touched |i m - j n| >= distance (Viehmann,
/// 2021). It only adds, and needs one row; outside the band, touched by definition, there is nothing to compute.
/// @pre n, m > 0, and 2 n m can be counted
inline double kolmogorov_smirnov_tail(std::uint64_t n, std::uint64_t m, std::uint64_t distance) {
    if (distance == 0) return 1;
    std::vector<double> touched(m + 1, 1.0);
    for (std::uint64_t i = 0; i <= n; ++i) {
        const std::uint64_t first = i * m < distance ? 0 : (i * m - distance) / n + 1;
        const std::uint64_t last = std::min(m, (i * m + distance - 1) / n);
        if (first > 0) touched[first - 1] = 1;
        for (std::uint64_t j = first; j <= last; ++j) {
            // The two weights do not wait for the neighbour on the left, a quotient of the sum would.
            const double x = static_cast<double>(i), y = static_cast<double>(j), inverse = 1 / std::max(x + y, 1.0);
            touched[j] = x * inverse * touched[j] + (j > 0 ? y * inverse * touched[j - 1] : 0);
        }
    }
    return std::min(touched[m], 1.0);
}

/// The smallest distance whose probability is at most `rate` (to within a relative 1e-12); above n m when none is.
inline std::uint64_t critical_distance(std::uint64_t n, std::uint64_t m, double rate) {
    const std::uint64_t unit = std::gcd(n, m); // every distance is a multiple of it
    const auto rare = [&](std::uint64_t units) {
        return kolmogorov_smirnov_tail(n, m, units * unit) <= rate * (1 + 1e-12);
    };
    std::uint64_t low = 0, high = n / unit * m + 1;
    const auto narrow = [&](std::uint64_t units) {
        if (units > low && units < high) (rare(units) ? high : low) = units;
    };
    // Large samples have it close below the asymptotic one: most of the bisection is saved.
    const double sizes = static_cast<double>(n) * static_cast<double>(m) / static_cast<double>(n + m);
    const double guess = std::sqrt(std::log(2 / rate) / (2 * sizes)) * static_cast<double>(high);
    for (const double near : {guess, 0.97 * guess})
        if (near < static_cast<double>(high)) narrow(static_cast<std::uint64_t>(near));
    while (high - low > 1) narrow(low + (high - low) / 2);
    return high * unit;
}

} // namespace detail

struct DriftOptions {
    std::size_t window = 500;       // scores that are judged together, 1 or more
    double false_alarm_rate = 1e-4; // of each window, in (0, 1)
};

/// Watches a stream of scores for a change of their distribution, up, down or in shape. Windows that do not overlap are
/// each compared with the calibration's normal scores by the two-sample Kolmogorov-Smirnov test, whose distribution is
/// exact for samples of any size and scores of any distribution; ties only make alarms rarer.
///
/// As long as the stream's samples are exchangeable with the calibration's, each window is an alarm with probability
/// `false_alarm_rate` at most. Of N windows at most N * rate are in expectation, and any is with probability N * rate
/// at most, although all share the calibration set: neither bound needs independence. Neighbouring frames of a video
/// are not exchangeable with images of many days: give the monitor few of them, far apart.
///
/// Anomalies in the stream move the distribution too: many of them look like drift, which is intended. After an alarm
/// calibrate anew with new normal images, and make a new monitor; the network need not be trained again.
///
/// The constructor allocates all memory and finds the smallest distance that is an alarm: 10 to 20 times up to
/// normal scores * window steps (for 1e5 and 500 less than a second). From then on a window costs its sorting and one
/// pass over the normal scores, and `add` allocates nothing. A monitor is for one thread at a time.
class DriftMonitor {
  public:
    /// @throws ValueError when the calibration is empty, an option is out of range, or the samples are so few that
    /// no window could be an alarm
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

    /// The stream's next score; NaN counts as infinity.
    /// @return true when it fills a window, and that one is an alarm
    bool add(double score) {
        window_[filled_++] = detail::comparable(score);
        if (filled_ < window_.size()) return false;
        filled_ = 0;
        ++windows_;
        std::ranges::sort(window_);
        distance_ = detail::kolmogorov_smirnov_distance(normal_, window_);
        return distance_ >= critical_;
    }

    /// Windows judged so far.
    std::size_t windows() const { return windows_; }
    /// Of the last window: the largest difference between the shares of its scores and of the normal ones that lie at
    /// or below a score, in [0, 1]. 0 before the first.
    double distance() const { return static_cast<double>(distance_) / static_cast<double>(pairs()); }
    /// The smallest distance that is an alarm.
    double critical_distance() const { return static_cast<double>(critical_) / static_cast<double>(pairs()); }
    /// Of the last window: the probability of a distance as large without drift. 1 before the first. Computed at each
    /// call, in up to normal scores * window steps.
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
