#pragma once

#include <gradcon/core/random.hpp>
#include <gradcon/scoring/statistics.hpp>

#include <cstddef>

/// Scores of `n` samples with two monitored tensors and random statistics.
inline gradcon::Scores random_scores(std::size_t n, gradcon::Rng& rng) {
    using gradcon::Statistic, gradcon::uniform;
    gradcon::Scores s;
    for (std::size_t i = 0; i < n; ++i) {
        s[Statistic::score].push_back(uniform(rng, -1, 1));
        s[Statistic::reconstruction_error].push_back(uniform(rng, 0.01, 1));
        s[Statistic::latent_divergence].push_back(0);
        s[Statistic::code_distance].push_back(uniform(rng, 1, 9));
        for (int k = 0; k < 2; ++k) {
            s[Statistic::cosine].push_back(uniform(rng, -1, 1));
            s[Statistic::mean_cosine].push_back(uniform(rng, -1, 1));
            s[Statistic::gradient_norm].push_back(uniform(rng, 0.1, 2));
            s[Statistic::fisher_norm].push_back(uniform(rng, 0.1, 2));
        }
    }
    return s;
}
