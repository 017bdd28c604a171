#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/tree/algebra.hpp"

#include <cmath>
#include <cstdint>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// learning_rate >= 0; beta1, beta2 in [0, 1); epsilon > 0.
struct AdamOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9, beta2 = 0.999;
    double epsilon = 1e-8;
};

/// Adam (Kingma and Ba, 2015, algorithm 1), with PyTorch's place of epsilon: p -= rate * mhat / (sqrt(vhat) + epsilon).
/// The moments are trees of the parameters' type; one step count serves all tensors.
template <TensorTree Params>
class Adam {
  public:
    explicit Adam(const Params& like, const AdamOptions& options = {})
        : first_(zeros_like(like)), second_(zeros_like(like)), options_(options) {
        const auto fraction = [](double beta) { return is_finite(beta) && beta >= 0 && beta < 1; };
        if (!fraction(options.beta1) || !fraction(options.beta2) || !is_finite(options.epsilon) || options.epsilon <= 0)
            throw ValueError(message("Adam: the betas lie in [0, 1), epsilon above 0; given: ", options.beta1, ", ",
                                     options.beta2, ", ", options.epsilon));
        set_learning_rate(options.learning_rate);
    }

    double learning_rate() const { return options_.learning_rate; }
    /// @throws ValueError unless it is finite and 0 or more
    void set_learning_rate(double rate) {
        if (!is_finite(rate) || rate < 0) throw ValueError(message("Adam: learning_rate is 0 or more; given: ", rate));
        options_.learning_rate = rate;
    }
    std::uint64_t steps() const { return steps_; }
    void set_steps(std::uint64_t steps) { steps_ = steps; }
    /// The moments, as a tree: what a checkpoint keeps beside steps and learning rate.
    auto state() { return std::tie(first_, second_); }
    auto state() const { return std::tie(first_, second_); }

    /// One step along the gradient g of the loss. @throws ShapeError when the trees differ in form
    void step(Params& params, const Params& g) {
        using T = scalar_t<Params>;
        ++steps_;
        const double t = static_cast<double>(steps_);
        const T b1 = static_cast<T>(options_.beta1), b2 = static_cast<T>(options_.beta2);
        const T rate = static_cast<T>(options_.learning_rate / (1 - std::pow(options_.beta1, t)));
        const T correction = static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
        const T c1 = static_cast<T>(1 - options_.beta1),
                c2 = static_cast<T>(1 - options_.beta2); // exact before rounding
        const T epsilon = static_cast<T>(options_.epsilon);
        for_each_tensor(
            [&](auto& p, const auto& gradient, auto& first, auto& second) {
                T *to = p.data(), *m = first.data(), *v = second.data();
                const T* d = gradient.data();
                const auto move = [&]<class V>(std::size_t i, V descent) {
                    const V mean = b1 * simd::load<V>(m + i) + c1 * descent;
                    const V square = b2 * simd::load<V>(v + i) + c2 * descent * descent;
                    simd::store(m + i, mean);
                    simd::store(v + i, square);
                    simd::store(to + i,
                                simd::load<V>(to + i) - rate * mean / (simd::sqrt(square) * correction + epsilon));
                };
                std::size_t i = 0;
                for (; i + simd::lanes<T> <= p.size(); i += simd::lanes<T>) move(i, simd::load<simd::Vector<T>>(d + i));
                for (; i < p.size(); ++i) move(i, d[i]);
            },
            params, g, first_, second_);
    }

  private:
    Params first_, second_;
    AdamOptions options_;
    std::uint64_t steps_ = 0;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
