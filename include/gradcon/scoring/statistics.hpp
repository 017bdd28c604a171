#pragma once

#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

// What is known of a sample after one pass over it.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Where scores of N images go, in the caller's memory; an empty span is not written.
struct ScoreOutput {
    std::span<double> score{};                // N: mse + beta * (-mean cosine); higher is more anomalous
    std::span<double> reconstruction_error{}; // N: mean squared error
    std::span<double> cosine{};               // N x count(): alignment of each monitored tensor with its reference
    std::span<double> gradient_norm{};        // N x count(): |d mse / d phi_k| of that image alone
    std::span<double> latent_divergence{};    // N: KL of a Gaussian latent's code; 0 without one
    // with a profile only, code_distance with a profile that has codes
    std::span<double> mean_cosine{};   // N x count(): alignment with the finished model's mean gradient
    std::span<double> fisher_norm{};   // N x count(): sqrt of the sum of g^2 * weight
    std::span<double> code_distance{}; // N: Mahalanobis distance of the code from those of the training images
};

/// What one pass over a sample yields: all that a score rule (score_rules.hpp) may look at. What needs a profile
/// is empty, or NaN, without one.
struct SampleStatistics {
    double score = 0; // the paper's
    double reconstruction_error = 0;
    std::span<const double> cosine{}, gradient_norm{};
    double latent_divergence = 0;
    std::span<const double> mean_cosine{}, fisher_norm{};
    double code_distance = std::numeric_limits<double>::quiet_NaN();
};

/// Minus the mean of some cosines: what makes one score of the alignments of an image's tensors. NaN of none.
inline double minus_mean(std::span<const double> cosines) {
    double sum = 0;
    for (const double c : cosines) sum += c;
    return cosines.empty() ? std::numeric_limits<double>::quiet_NaN() : -sum / static_cast<double>(cosines.size());
}

/// Scores in memory of their own: see ScoreOutput.
struct Scores {
    std::vector<double> score, reconstruction_error, cosine, gradient_norm, latent_divergence, mean_cosine, fisher_norm,
        code_distance;
    std::size_t count = 0; // monitored tensors: cosine of image i and tensor k is cosine[i * count + k]

    std::size_t samples() const { return score.size(); }

    /// One sample more, at the end; all must come from scorers that give the same statistics.
    void add(const SampleStatistics& s) {
        count = s.cosine.size();
        score.push_back(s.score);
        reconstruction_error.push_back(s.reconstruction_error);
        latent_divergence.push_back(s.latent_divergence);
        const auto append = [](std::vector<double>& to, std::span<const double> from) {
            to.insert(to.end(), from.begin(), from.end());
        };
        append(cosine, s.cosine);
        append(gradient_norm, s.gradient_norm);
        append(mean_cosine, s.mean_cosine);
        append(fisher_norm, s.fisher_norm);
        if (!is_nan(s.code_distance)) code_distance.push_back(s.code_distance);
    }

    /// The gradient score of image i: -mean cosine, in [-1, 1].
    double gradient(std::size_t i) const { return minus_mean(std::span(cosine).subspan(i * count, count)); }

    /// Views of image i's values; valid while nothing here changes.
    SampleStatistics operator[](std::size_t i) const&& = delete; // of what is gone after the expression
    SampleStatistics operator[](std::size_t i) const& {
        const auto each = [&](const std::vector<double>& values) {
            return values.empty() ? std::span<const double>{} : std::span(values).subspan(i * count, count);
        };
        SampleStatistics s{
            score[i],          reconstruction_error[i], each(cosine), each(gradient_norm), latent_divergence[i],
            each(mean_cosine), each(fisher_norm)};
        if (!code_distance.empty()) s.code_distance = code_distance[i];
        return s;
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
