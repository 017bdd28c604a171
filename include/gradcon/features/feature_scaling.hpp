#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/simd.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/kernels/dense.hpp"
#include "gradcon/kernels/eigenvectors.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
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

/// Scales the features of many locations at once. Const, so threads may share it.
class FeatureScaler {
  public:
    /// @throws as FeatureScaling::check does
    explicit FeatureScaler(FeatureScaling scaling) : scaling_(std::move(scaling)) {
        scaling_.check();
        if (scaling_.matrix.empty()) return;
        const auto in = static_cast<kernels::Index>(scaling_.channels()),
                   out = static_cast<kernels::Index>(scaling_.outputs());
        packed_.gather.resize(scaling_.matrix.size());
        kernels::pack_dense(in, out, packed_.gather.data(), [&](kernels::Index i, kernels::Index o) {
            return scaling_.matrix[static_cast<std::size_t>(o * in + i)];
        });
    }

    const FeatureScaling& scaling() const { return scaling_; }
    std::size_t channels() const { return scaling_.channels(); }
    std::size_t outputs() const { return scaling_.outputs(); }

    /// @param from count * channels() numbers  @param to count * outputs() numbers; not `from`
    /// @param centred room to work in
    void apply(const float* from, std::size_t count, float* to, AlignedVector<float>& centred) const {
        const std::size_t n = channels(), m = outputs();
        const std::vector<float>&mean = scaling_.mean, &scale = scaling_.scale;
        if (scaling_.matrix.empty()) {
            for (std::size_t k = 0; k < count; ++k, from += n, to += n)
                for (std::size_t i = 0; i < n; ++i) to[i] = scale[i] * (from[i] - mean[i]);
            return;
        }
        constexpr std::size_t block = 256; // of locations: what is centred stays in the cache
        centred.resize(std::min(block, count) * n);
        for (std::size_t done = 0; done < count; done += block) {
            const std::size_t now = std::min(block, count - done);
            for (std::size_t k = 0; k < now; ++k, from += n)
                for (std::size_t i = 0; i < n; ++i) centred[k * n + i] = from[i] - mean[i];
            const std::array product{kernels::Product<float>{packed_, Batch<float>(centred.data(), {now, 1, 1, n})}};
            kernels::dense(std::span<const kernels::Product<float>>(product), &kernels::Packed<float>::gather, {},
                           TensorView<float, 4>(to + done * m, {now, 1, 1, m}));
        }
    }

  private:
    FeatureScaling scaling_;
    kernels::Packed<float> packed_; // the matrix
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
