#pragma once

#include "gradcon/core/simd.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

// What one pass over a sample computes. A statistic is defined by its line in `statistic_table`; all that is kept of
// each statistic (values, vectors of values, derivatives) is found by the index Statistic.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Monitored tensors are the decoder's weights whose gradients the GradCon policy compares with their references.
enum class Statistic {
    score,                // the paper's: loss + beta * (-mean cosine)
    reconstruction_error, // the loss of the model, by default the mean squared error
    cosine,               // of the gradient d loss / d phi_k with its reference
    gradient_norm,        // |d loss / d phi_k|
    latent_divergence,    // KL of a Gaussian latent's code; 0 without one
    mean_cosine,          // of the gradient with the finished model's mean gradient
    fisher_norm,          // sqrt of the sum of gradient^2 * weight, see GradientProfile
    code_distance         // Mahalanobis distance of the code from the codes of the training images
};

/// What a scorer must have, beside the trained network, to compute a statistic.
enum class Requirement { nothing, profile, codes /* a profile with codes */ };

/// How a statistic enters a combined score, so that larger always means more anomalous.
enum class Scale { logarithm, negated, none /* it is no term of a sum */ };

struct StatisticInfo {
    const char* name; // in messages and model files
    bool of_tensors;  // one value for each monitored tensor, or one for the sample
    Requirement needs;
    Scale scale;
};

/// The statistics, in the order of Statistic.
inline constexpr std::array statistic_table{
    StatisticInfo{"score", false, Requirement::nothing, Scale::none},
    StatisticInfo{"reconstruction_error", false, Requirement::nothing, Scale::logarithm},
    StatisticInfo{"cosine", true, Requirement::nothing, Scale::negated},
    StatisticInfo{"gradient_norm", true, Requirement::nothing, Scale::logarithm},
    StatisticInfo{"latent_divergence", false, Requirement::nothing, Scale::logarithm},
    StatisticInfo{"mean_cosine", true, Requirement::profile, Scale::negated},
    StatisticInfo{"fisher_norm", true, Requirement::profile, Scale::logarithm},
    StatisticInfo{"code_distance", false, Requirement::codes, Scale::logarithm},
};

constexpr const StatisticInfo& info(Statistic statistic) {
    return statistic_table[static_cast<std::size_t>(statistic)];
}

static_assert(info(Statistic::score).name == std::string_view("score") &&
                  info(Statistic::code_distance).name == std::string_view("code_distance") &&
                  statistic_table.size() == static_cast<std::size_t>(Statistic::code_distance) + 1,
              "statistic_table has one line for each Statistic, in the same order");

/// All statistics, to loop over.
inline constexpr auto every_statistic = [] {
    std::array<Statistic, statistic_table.size()> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Statistic>(i);
    return all;
}();

/// Their names, in the order of Statistic.
inline constexpr auto statistic_names = [] {
    std::array<const char*, statistic_table.size()> names{};
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = statistic_table[i].name;
    return names;
}();

/// What a scorer can compute.
struct Available {
    std::size_t tensors = 0; // monitored
    bool profile = false;
    bool codes = false;

    constexpr bool has(Requirement requirement) const {
        return requirement == Requirement::nothing || (requirement == Requirement::profile ? profile : codes);
    }
    /// The number of values of a statistic of one sample; 0 if it cannot be computed.
    constexpr std::size_t size(Statistic statistic) const {
        if (!has(info(statistic).needs)) return 0;
        return info(statistic).of_tensors ? tensors : 1;
    }
};

/// One object for each statistic.
template <class Values>
class ByStatistic {
  public:
    Values& operator[](Statistic statistic) { return values_[static_cast<std::size_t>(statistic)]; }
    const Values& operator[](Statistic statistic) const { return values_[static_cast<std::size_t>(statistic)]; }

  private:
    std::array<Values, statistic_table.size()> values_{};
};

/// The statistics of one sample: views of values that lie in a Scores or in a workspace. A statistic has one value for
/// each monitored tensor, or one. It has none if the scorer lacks what the statistic needs.
class Statistics : public ByStatistic<std::span<const double>> {
  public:
    // One value for the sample, NaN if there is none.
    double score() const { return value(Statistic::score); }
    double reconstruction_error() const { return value(Statistic::reconstruction_error); }
    double latent_divergence() const { return value(Statistic::latent_divergence); }
    double code_distance() const { return value(Statistic::code_distance); }

    // One value for each monitored tensor.
    std::span<const double> cosine() const { return (*this)[Statistic::cosine]; }
    std::span<const double> gradient_norm() const { return (*this)[Statistic::gradient_norm]; }
    std::span<const double> mean_cosine() const { return (*this)[Statistic::mean_cosine]; }
    std::span<const double> fisher_norm() const { return (*this)[Statistic::fisher_norm]; }

  private:
    double value(Statistic statistic) const {
        const auto values = (*this)[statistic];
        return values.empty() ? std::numeric_limits<double>::quiet_NaN() : values[0];
    }
};

/// Minus the mean of some cosines, which makes one score of the alignments of a sample's tensors. NaN of none.
inline double minus_mean(std::span<const double> cosines) {
    double sum = 0;
    for (const double c : cosines) sum += c;
    return cosines.empty() ? std::numeric_limits<double>::quiet_NaN() : -sum / static_cast<double>(cosines.size());
}

/// The statistics of N samples: `scores[Statistic::cosine]` holds N x count() values, `scores[i]` views sample i.
/// A statistic that the scorer could not compute is an empty vector.
class Scores : public ByStatistic<std::vector<double>> {
  public:
    using ByStatistic::operator[];

    /// N.
    std::size_t samples() const { return (*this)[Statistic::score].size(); }

    /// The number of monitored tensors; 0 without samples.
    std::size_t count() const { return values_each(Statistic::cosine); }

    /// The paper's score of each sample.
    const std::vector<double>& score() const& { return (*this)[Statistic::score]; }
    std::vector<double> score() && { return std::move((*this)[Statistic::score]); }

    /// The reconstruction error of each sample.
    const std::vector<double>& reconstruction_error() const& { return (*this)[Statistic::reconstruction_error]; }
    std::vector<double> reconstruction_error() && { return std::move((*this)[Statistic::reconstruction_error]); }

    /// The gradient score of sample i: minus its mean cosine, in [-1, 1].
    double gradient(std::size_t i) const { return minus_mean((*this)[i].cosine()); }

    /// Views of the values of sample i; valid while nothing here changes.
    Statistics operator[](std::size_t i) const&& = delete; // the views would outlive the values
    Statistics operator[](std::size_t i) const& {
        Statistics views;
        for (const Statistic s : every_statistic)
            views[s] = std::span((*this)[s]).subspan(i * values_each(s), values_each(s));
        return views;
    }

    /// Room for N samples. It allocates only if there was less before.
    void resize(std::size_t samples, const Available& available) {
        for (const Statistic s : every_statistic) (*this)[s].resize(samples * available.size(s));
    }

    /// Replaces the values of sample i. @pre `values` has the statistics that the other samples have
    void set(std::size_t i, const Statistics& values) {
        for (const Statistic s : every_statistic)
            std::ranges::copy(values[s], (*this)[s].begin() + static_cast<std::ptrdiff_t>(i * values_each(s)));
    }

    /// Appends one sample. All samples must come from scorers that compute the same statistics.
    void add(const Statistics& values) {
        for (const Statistic s : every_statistic)
            (*this)[s].insert((*this)[s].end(), values[s].begin(), values[s].end());
    }

  private:
    std::size_t values_each(Statistic statistic) const {
        return samples() == 0 ? 0 : (*this)[statistic].size() / samples();
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
