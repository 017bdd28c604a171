#pragma once

#include "gradcon/nn/loss.hpp"
#include "gradcon/testing/check_gradient.hpp"

#include <algorithm>
#include <cmath>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace testing {

/// Checks a loss in double against central differences, at random reconstructions and images with values in [0, 1]:
///   gradient           <dy, y_dot>   against the derivative of sum / elements along a random y_dot
///   gradient_tangent   dy_dot        against the derivative of dy
/// The result's `backward` is the first error, `backward_tangent` the second. Losses with kinks may fail where a kink
/// lies within a step: choose another seed.
/// @param shape N x height x width x channels
template <class L>
GradientCheck check_loss_gradient(const L& loss, const Shape& shape, const CheckOptions& options = {}) {
    static_assert(check_loss<L, double>());
    Rng rng(options.seed);
    const auto random = [&](double low, double high) {
        Tensor<double, 4> tensor;
        reserve(tensor, shape);
        for (double& value : elements(tensor)) value = uniform(rng, low, high);
        return tensor;
    };
    const auto y = random(0, 1), t = random(0, 1), y_dot = random(-1, 1);
    const std::size_t count = 3 * element_count(shape); // as if this were a third of a batch
    const auto moved = [&](double step) {
        auto other = y;
        axpy(step, y_dot, other);
        return other;
    };
    const auto after = moved(options.step), before = moved(-options.step);
    Tensor<double, 4> dy, dy_after, dy_before, dy_dot;
    loss.gradient(Batch<double>(y), Batch<double>(t), count, dy);
    loss.gradient(Batch<double>(after), Batch<double>(t), count, dy_after);
    loss.gradient(Batch<double>(before), Batch<double>(t), count, dy_before);
    loss.gradient_tangent(Batch<double>(y), Batch<double>(t), Batch<double>(y_dot), count, dy_dot);

    const double slope =
        (loss.sum(Batch<double>(after), Batch<double>(t)) - loss.sum(Batch<double>(before), Batch<double>(t))) /
        (2 * options.step * static_cast<double>(count));
    axpy(-1, dy_before, dy_after);
    for (double& value : elements(dy_after)) value /= 2 * options.step;
    const double scale = std::max(std::abs(slope), norm(dy) * norm(y_dot)); // what is compared is of this size
    GradientCheck check;
    check.backward = std::abs(dot(dy, y_dot) - slope) / scale;
    axpy(-1, dy_dot, dy_after);
    check.backward_tangent = norm(dy_after) / std::max(norm(dy_dot), norm(dy));
    for (double* error : {&check.backward, &check.backward_tangent})
        if (!is_finite(*error)) *error = 1e300;
    check.passed = std::max(check.backward, check.backward_tangent) <= options.tolerance;
    check.message = gradcon::message("relative errors: gradient ", check.backward, ", gradient_tangent ",
                                     check.backward_tangent, "; tolerance ", options.tolerance);
    return check;
}

} // namespace testing
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
