#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/kernels/cosine.hpp"
#include "gradcon/kernels/eigenvectors.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What a local model takes of the features of a location: y = scale * (x - mean), channel by channel, or
/// y = matrix (x - mean).
struct FeatureScaling {
    std::vector<float> mean, scale; // of each channel; scale is empty where there is a matrix
    AlignedVector<float> matrix{};  // outputs() x channels, row after row; or empty

    std::size_t channels() const { return mean.size(); }
    std::size_t outputs() const { return matrix.empty() ? mean.size() : matrix.size() / mean.size(); }

    /// @param from channels() numbers  @param to outputs() numbers; not `from`
    void apply(const float* from, float* to, AlignedVector<float>& centred) const {
        const std::size_t n = channels();
        if (matrix.empty()) {
            for (std::size_t i = 0; i < n; ++i) to[i] = scale[i] * (from[i] - mean[i]);
            return;
        }
        centred.resize(n);
        for (std::size_t i = 0; i < n; ++i) centred[i] = from[i] - mean[i];
        for (std::size_t k = 0, count = outputs(); k < count; ++k)
            to[k] = static_cast<float>(
                kernels::dot(std::span<const float>(matrix).subspan(k * n, n), std::span<const float>(centred)));
    }

    /// @throws ShapeError when the parts do not fit one another, ValueError for numbers that are not finite
    void check() const {
        const std::size_t n = mean.size();
        if (n == 0 || (matrix.empty() ? scale.size() != n : !scale.empty() || matrix.size() % n != 0))
            throw ShapeError(message("FeatureScaling: a mean of ", n, " channels, a scale of ", scale.size(),
                                     " and a matrix of ", matrix.size(), " numbers do not fit"));
        const auto finite = [](float v) { return is_finite(v); };
        if (!std::ranges::all_of(mean, finite) || !std::ranges::all_of(scale, finite) ||
            !std::ranges::all_of(matrix, finite))
            throw ValueError("FeatureScaling: a number is not finite");
    }
};

/// How to scale. Standardised, each channel has variance 1. Whitened, the `components` directions in which the features
/// vary most become the outputs, each of variance 1 (principal components).
struct FeatureScalingOptions {
    bool whiten = false;
    std::size_t components = 0; // 0: all channels. Whitening only
    double shrinkage = 0.01;    // of the mean variance, added to each variance before whitening; 0 or more
};

/// Learns a scaling: the mean and covariance of locations are summed in doubles, and nothing is kept of the locations.
class FeatureStatistics {
  public:
    explicit FeatureStatistics(std::size_t channels) : sum_(channels), products_(channels * channels) {}

    std::size_t count() const { return count_; }
    std::size_t channels() const { return sum_.size(); }

    /// @param features channels() numbers of one location  @throws ValueError for one that is not finite
    void add(const float* features) {
        const std::size_t n = channels();
        if (count_ == 0) origin_.assign(features, features + n); // what all share must not hide what differs
        centred_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            if (!is_finite(features[i])) throw ValueError(message("feature ", i, " of a location is ", features[i]));
            centred_[i] = double{features[i]} - double{origin_[i]};
            sum_[i] += centred_[i];
        }
        for (std::size_t i = 0; i < n; ++i) {
            double* row = products_.data() + i * n;
            for (std::size_t j = 0; j <= i; ++j) row[j] += centred_[i] * centred_[j];
        }
        ++count_;
    }

    /// @throws ValueError for fewer than two locations, or features that never vary
    FeatureScaling fit(const FeatureScalingOptions& options = {}) const {
        const std::size_t n = channels();
        if (!(options.shrinkage >= 0) || !is_finite(options.shrinkage))
            throw ValueError(message("FeatureScalingOptions: shrinkage is 0 or more; given: ", options.shrinkage));
        if (count_ < 2) throw ValueError(message("features of 2 locations or more are needed; given: ", count_));
        const double count = static_cast<double>(count_);
        FeatureScaling scaling;
        double mean_variance = 0;
        for (std::size_t i = 0; i < n; ++i) {
            scaling.mean.push_back(static_cast<float>(double{origin_[i]} + sum_[i] / count));
            mean_variance += covariance(i, i) / static_cast<double>(n);
        }
        if (!(mean_variance > 0)) throw ValueError("the features are the same at each location: nothing can be learnt");
        if (!options.whiten) {
            for (std::size_t i = 0; i < n; ++i) {
                const double deviation = std::sqrt(std::max(covariance(i, i), 0.0));
                // a channel that hardly varies must not become noise as large as the others
                scaling.scale.push_back(static_cast<float>(1 / std::max(deviation, 1e-3 * std::sqrt(mean_variance))));
            }
            return scaling;
        }
        std::vector<double> matrix(n * n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j <= i; ++j) matrix[i * n + j] = matrix[j * n + i] = covariance(i, j);
        const auto [values, vectors] = kernels::eigenvectors(std::move(matrix), n);
        const std::size_t kept = options.components == 0 ? n : std::min(options.components, n);
        for (std::size_t k = 0; k < kept; ++k) {
            const double factor = 1 / std::sqrt(std::max(values[k], 0.0) + options.shrinkage * mean_variance);
            for (std::size_t i = 0; i < n; ++i)
                scaling.matrix.push_back(static_cast<float>(factor * vectors[k * n + i]));
        }
        return scaling;
    }

  private:
    double covariance(std::size_t i, std::size_t j) const {
        const double count = static_cast<double>(count_);
        return products_[std::max(i, j) * channels() + std::min(i, j)] / count - sum_[i] / count * (sum_[j] / count);
    }

    std::size_t count_ = 0;
    std::vector<float> origin_;
    std::vector<double> sum_, products_, centred_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
