#pragma once

#include "gradcon/tree/algebra.hpp"

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// learning_rate >= 0; momentum in [0, 1).
struct SgdOptions {
    double learning_rate = 1e-2;
    double momentum = 0;
};

/// Stochastic gradient descent, as PyTorch has it: v = momentum * v + g; p -= learning_rate * v.
template <TensorTree Params>
class Sgd {
  public:
    explicit Sgd(const Params& like, const SgdOptions& options = {}) : velocity_(zeros_like(like)), options_(options) {
        if (!is_finite(options.momentum) || options.momentum < 0 || options.momentum >= 1)
            throw ValueError(message("Sgd: momentum lies in [0, 1); given: ", options.momentum));
        set_learning_rate(options.learning_rate);
    }

    double learning_rate() const { return options_.learning_rate; }
    /// @throws ValueError unless it is finite and 0 or more
    void set_learning_rate(double rate) {
        if (!is_finite(rate) || rate < 0) throw ValueError(message("Sgd: learning_rate is 0 or more; given: ", rate));
        options_.learning_rate = rate;
    }

    /// The velocity, as a tree: what a checkpoint keeps beside the learning rate.
    auto state() { return std::tie(velocity_); }
    auto state() const { return std::tie(velocity_); }

    /// One step along the gradient g of the loss. @throws ShapeError when the trees differ in form
    void step(Params& params, const Params& g) {
        using T = scalar_t<Params>;
        const T rate = static_cast<T>(options_.learning_rate), momentum = static_cast<T>(options_.momentum);
        for_each_tensor(
            [&](auto& p, const auto& gradient, auto& velocity) {
                T *to = p.data(), *v = velocity.data();
                const T* d = gradient.data();
                for (std::size_t i = 0, n = p.size(); i < n; ++i) {
                    v[i] = momentum * v[i] + d[i];
                    to[i] -= rate * v[i];
                }
            },
            params, g, velocity_);
    }

  private:
    Params velocity_;
    SgdOptions options_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
