#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/kernels/cosine.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// The reference gradients of some tensors: the running means of all past gradients (paper, section 4), never reset.
/// They are kept in double, so that updates beyond 2^24 still count; alignment reads their rounding to T.
template <class T>
class ReferenceGradients {
  public:
    ReferenceGradients() = default;
    /// @param sizes elements of each tensor
    explicit ReferenceGradients(const std::vector<std::size_t>& sizes) {
        for (const std::size_t size : sizes) {
            means_.emplace_back(size);
            values_.emplace_back(size);
        }
        squared_norms_.resize(sizes.size());
    }

    std::size_t count() const { return values_.size(); }
    std::uint64_t updates() const { return updates_; }

    /// The reference of tensor i; all zero before the first update.
    std::span<const T> values(std::size_t i) const { return values_[i]; }
    /// Its exact running value, as a model file keeps it.
    std::span<const double> exact(std::size_t i) const { return means_[i]; }
    double squared_norm(std::size_t i) const { return squared_norms_[i]; }

    /// One more gradient for every tensor. @pre gradients[i] has the size of tensor i
    void update(std::span<const std::span<const T>> gradients) {
        ++updates_;
        const double weight = 1.0 / static_cast<double>(updates_);
        for (std::size_t i = 0; i < count(); ++i) {
            for (std::size_t k = 0; k < means_[i].size(); ++k)
                means_[i][k] += weight * (double{gradients[i][k]} - means_[i][k]);
            round(i);
        }
    }

    /// Puts a state back, as a model file kept it. @throws ShapeError when the sizes differ
    void restore(const std::vector<std::vector<double>>& means, std::uint64_t updates) {
        if (means.size() != count())
            throw ShapeError(message("reference gradients: ", count(), " tensors needed, ", means.size(), " given"));
        for (std::size_t i = 0; i < count(); ++i)
            if (means[i].size() != means_[i].size())
                throw ShapeError(message("reference gradient ", i, ": ", means_[i].size(), " elements needed, ",
                                         means[i].size(), " given"));
        means_ = means;
        updates_ = updates;
        for (std::size_t i = 0; i < count(); ++i) round(i);
    }

  private:
    void round(std::size_t i) {
        for (std::size_t k = 0; k < means_[i].size(); ++k) values_[i][k] = static_cast<T>(means_[i][k]);
        const std::span<const T> v(values_[i]);
        squared_norms_[i] = kernels::dot_and_norm(v, v).squared_norm;
    }

    std::vector<std::vector<double>> means_;
    std::vector<std::vector<T>> values_;
    std::vector<double> squared_norms_;
    std::uint64_t updates_ = 0;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
