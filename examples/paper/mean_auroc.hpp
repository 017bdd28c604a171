#pragma once

#include <gradcon/core/error.hpp>
#include <gradcon/evaluation/intervals.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

/// A score's values on a test set.
struct Judged {
    std::vector<double> scores;
    std::vector<std::uint8_t> anomalous;
};

/// The AUROC of a test set whose samples are drawn again and again, each class on its own. Sorted once: a resample
/// only changes how often each sample counts.
class ResampledAuroc {
  public:
    explicit ResampledAuroc(const Judged& judged)
        : judged_(judged), order_(judged.scores.size()), times_(judged.scores.size()) {
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        std::ranges::sort(order_, [&](std::size_t a, std::size_t b) { return judged.scores[a] > judged.scores[b]; });
        for (std::size_t i = 0; i < order_.size(); ++i) members_[judged.anomalous[i] ? 1 : 0].push_back(i);
    }

    double draw(gradcon::Rng& rng) {
        std::ranges::fill(times_, 0);
        for (const std::uint8_t anomalous : judged_.anomalous) {
            const auto& members = members_[anomalous ? 1 : 0];
            ++times_[members[gradcon::random_index(rng, members.size())]];
        }
        double doubled_pairs = 0, above = 0, normals = 0;
        for (std::size_t first = 0, end = 0; first < order_.size(); first = end) {
            double tied_anomalies = 0, tied_normals = 0;
            for (; end < order_.size() && !(judged_.scores[order_[first]] > judged_.scores[order_[end]]); ++end)
                (judged_.anomalous[order_[end]] ? tied_anomalies : tied_normals) += times_[order_[end]];
            doubled_pairs += tied_normals * (2 * above + tied_anomalies);
            above += tied_anomalies;
            normals += tied_normals;
        }
        return doubled_pairs / (2 * above * normals);
    }

  private:
    const Judged& judged_;
    std::vector<std::size_t> order_;
    std::vector<double> times_;
    std::array<std::vector<std::size_t>, 2> members_; // normal samples, anomalies
};

/// The mean AUROC of several test sets with its 95 % percentile bootstrap interval: the sets are drawn independently,
/// and in each of them normal samples and anomalies. Of one set it is gradcon::bootstrap_interval, in less time.
/// @throws ValueError without a set, or as gradcon::auroc_interval does
inline gradcon::Interval mean_auroc(std::span<const Judged> sets, gradcon::Rng& rng, std::size_t resamples = 2000) {
    if (sets.empty() || resamples < 2)
        throw gradcon::ValueError(gradcon::message("mean_auroc: needs a test set or more and two resamples or more; "
                                                   "given: ",
                                                   sets.size(), " and ", resamples));
    const double count = static_cast<double>(sets.size()), n = static_cast<double>(resamples);
    double value = 0;
    std::vector<ResampledAuroc> resampled;
    for (const Judged& set : sets) {
        value += gradcon::auroc_interval(set.scores, set.anomalous).value / count;
        resampled.emplace_back(set);
    }
    std::vector<double> draws(resamples);
    for (double& draw : draws)
        for (ResampledAuroc& set : resampled) draw += set.draw(rng) / count;
    std::ranges::sort(draws);
    const auto quantile = [&](double p) {
        const auto below = static_cast<std::size_t>(p * (n - 1));
        const double beyond = p * (n - 1) - static_cast<double>(below);
        return draws[below] + beyond * (draws[std::min(below + 1, resamples - 1)] - draws[below]);
    };
    const double mean = std::accumulate(draws.begin(), draws.end(), 0.0) / n;
    double squares = 0;
    for (const double draw : draws) squares += (draw - mean) * (draw - mean);
    return {value, quantile(0.025), quantile(0.975), std::sqrt(squares / (n - 1))};
}
