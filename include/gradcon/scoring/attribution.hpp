#pragma once

#include "gradcon/scoring/rule_derivatives.hpp"
#include "gradcon/scoring/scorer.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// All that one attribution writes. Each thread needs its own, made by Attribution::workspace.
template <class Model, class T>
struct AttributionWorkspace {
    ScoringWorkspace<Model, T> scoring;
    ScoreDerivative derivative;
    decltype(params_t<Model, T>::decoder) direction; // u: dS/dg on the monitored tensors, else 0
    packed_t<decltype(Model::decoder), T> packed_direction;
    decoder_cache_t<Model, T> tangent;
    Tensor<T, 4> zeros, dy_dot, adjoint;
    std::vector<double> code_slope; // dS/dz
};

/// Finds where an anomaly lies: the derivative of an image's score in each of its pixels.
///
/// Let L be the image's mse, g_k = dL/dphi_k its gradients in the decoder's monitored tensors, and z its code. A score
/// is a function S(L, g, z) with the derivatives a = dS/dL, u = dS/dg and v = dS/dz. (The KL of a Gaussian latent is a
/// function of h; Latent::backward computes its derivative.) <u, g> is the derivative of L along u, a direction in the
/// decoder's parameters. Its derivatives in y and z are therefore the tangents of dy = dL/dy and dz = dL/dz along u
/// (Pearlmutter's R-operator, see objective):
///     dS/dx = encoder_backward(a dz + dz_dot + v) - (a dy + dy_dot)
/// The last part comes from the image being its own target.
///
/// Const from construction on: any number of threads may share it, each with a workspace of its own. It shares the
/// ScoringModel of its Scorer. An attribution takes about 3 times as long as a score.
template <class Model, class T>
class Attribution {
  public:
    using Scalar = T;
    using Workspace = AttributionWorkspace<Model, T>;

    /// @param scorer must have a profile for rules that need one
    explicit Attribution(Scorer<Model, T> scorer) : scorer_(std::move(scorer)) {
        static_assert(is_of_difference<decltype(Model::loss)>(),
                      "Attribution needs a loss of y - t, which says so by `static constexpr bool is_of_difference = "
                      "true`; others have another derivative in the image itself");
    }

    const Scorer<Model, T>& scorer() const { return scorer_; }

    Workspace workspace() const {
        Workspace w;
        w.scoring = scorer_.workspace();
        w.direction = model().form.decoder;
        return w;
    }

    /// The derivative of score_rule(scorer().statistics(images, i, ...)) in the pixels of image `i`. It is positive
    /// where a larger pixel makes the image more anomalous. What has no derivative counts as constant: a cosine or a
    /// norm of a gradient of 0, a distance of 0, the logarithm of a statistic below 1e-300. If a pixel is not finite,
    /// the score is NaN and the derivatives have no meaning. Allocates nothing once the workspace is warm.
    /// @param out height x width x channels of one image, overwritten
    /// @return the score
    /// @throws ValueError when there is no image `i`, or `out` is of another size
    /// @throws ValueError when the rule has no derivative, needs a profile that the scorer lacks, or was fitted for
    /// another network
    /// @throws ShapeError as Scorer::statistics does
    template <DifferentiableScore P>
    double attribute(Batch<T> images, std::size_t i, const P& score_rule, Workspace& w, std::span<T> out) const {
        return attribute_pixels(images, i, score_rule, w, out);
    }

    /// The same for images of bytes; the derivative is in the pixels' values from 0 to 1.
    template <DifferentiableScore P>
    double attribute(Batch<std::uint8_t> images, std::size_t i, const P& score_rule, Workspace& w,
                     std::span<T> out) const {
        return attribute_pixels(images, i, score_rule, w, out);
    }

  private:
    const ScoringModel<Model, T>& model() const { return scorer_.model(); }

    template <class Pixel, class P>
    double attribute_pixels(Batch<Pixel> images, std::size_t i, const P& score_rule, Workspace& w,
                            std::span<T> out) const {
        if (images.samples() > 0 && out.size() != images.sample_size())
            throw ValueError(message("Attribution: an image of ", images.sample_size(),
                                     " values needs a span of as many; given: ", out.size()));
        const Statistics s = scorer_.statistics(images, i, w.scoring); // its passes stay in w.scoring
        w.derivative.reset(scorer_.available());
        add_derivative(score_rule, s, w.derivative);
        Shape shape = images.shape();
        shape[0] = 1;
        differentiate(s, Batch<T>(w.scoring.dy.data(), shape), w, out);
        return score_rule(s);
    }

    /// From w.derivative, dS in the statistics, to dS/dx.
    void differentiate(const Statistics& s, Batch<T> dy, Workspace& w, std::span<T> out) const {
        ScoreDerivative& d = w.derivative;
        const double of_score = d[Statistic::score][0]; // the paper's score is mse - beta mean cosine
        const double a = d[Statistic::reconstruction_error][0] + of_score;
        for (double& slope : d[Statistic::cosine])
            slope -= of_score * model().beta / static_cast<double>(scorer_.count());

        const bool second_order = d.is_of_gradients();
        const Batch<T> dz = decoder_backward(dy, second_order, w);
        w.code_slope.assign(dz.size(), 0);
        for (std::size_t e = 0; e < dz.size(); ++e) w.code_slope[e] = a * double{dz.data()[e]};
        for (std::size_t e = 0; e < out.size(); ++e) out[e] = static_cast<T>(-a * double{dy.data()[e]});
        if (second_order) add_tangents(s, dy.size(), dz.shape(), w, out);
        const double v = scorer_.has_codes() ? d[Statistic::code_distance][0] : 0;
        if (v != 0 && s.code_distance() > 0)
            kernels::add_mahalanobis_gradient(std::span<const T>(model().profile.code_whitening),
                                              std::span<const T>(w.scoring.code), v / s.code_distance(),
                                              std::span(w.code_slope));
        const auto adjoint = reserve(w.adjoint, dz.shape());
        std::ranges::transform(w.code_slope, adjoint.data(), [](double slope) { return static_cast<T>(slope); });
        const Batch<T> dx = encoder_backward(adjoint, d[Statistic::latent_divergence][0], w);
        for (std::size_t e = 0; e < out.size(); ++e) out[e] += dx.data()[e];
    }

    /// dz_dot to w.code_slope, and -dy_dot to `out`. @pre w.scoring.gradient has g
    void add_tangents(const Statistics& s, std::size_t pixels, const Shape& code, Workspace& w,
                      std::span<T> out) const {
        set_direction(s, w);
        const auto& decoder = model().model.decoder;
        const auto &p = model().packed.decoder, &p_dot = w.packed_direction;
        pack(decoder, w.direction, w.packed_direction);
        const Batch<T> y_dot =
            forward_tangent_parameters(decoder, p, p_dot, w.scoring.decoder, w.tangent, code, w.zeros);
        const Batch<T> dy_dot = model().model.loss.gradient_tangent(w.scoring.y, w.scoring.x, y_dot, pixels, w.dy_dot);
        const Batch<T> dz_dot = decoder.backward_tangent(p, p_dot, w.scoring.decoder, w.tangent, dy_dot,
                                                         w.scoring.gradient.decoder); // g_dot, which nobody reads
        for (std::size_t e = 0; e < dz_dot.size(); ++e) w.code_slope[e] += double{dz_dot.data()[e]};
        for (std::size_t e = 0; e < out.size(); ++e) out[e] -= dy_dot.data()[e];
    }

    /// dL/dz; and the gradients of L in w.scoring.gradient, if they are wanted.
    Batch<T> decoder_backward(Batch<T> dy, bool wants_gradients, Workspace& w) const {
        const auto& decoder = model().model.decoder;
        auto& cache = w.scoring.decoder;
        auto& gradient = w.scoring.gradient.decoder;
        if (!wants_gradients)
            return backward_reduce(decoder, model().packed.decoder, cache, dy, gradient,
                                   no_reductions(w).subspan(model().encoder_tensors), true);
        fill(gradient, 0);
        return decoder.backward(model().packed.decoder, cache, dy, gradient);
    }

    /// dx, where f has the derivative `dz` in the code: of f + kl_weight * KL.
    Batch<T> encoder_backward(Batch<T> dz, double kl_weight, Workspace& w) const {
        return backward_reduce(model().model.encoder, model().packed.encoder, w.scoring.encoder,
                               model().model.latent.backward(w.scoring.latent, dz, kl_weight),
                               w.scoring.gradient.encoder, no_reductions(w).first(model().encoder_tensors), true);
    }

    /// For a backward pass that leaves the parameters' gradients out.
    static std::span<kernels::Reduction<T>> no_reductions(Workspace& w) {
        w.scoring.reductions.assign(w.scoring.reductions.size(), {});
        return w.scoring.reductions;
    }

    /// w.direction = u, from the slopes of cos(r, g), cos(m, g), |g| and the Fisher norm f. With f^2 = sum F g^2,
    ///     d|g|/dg = g / |g|,   df/dg = F g / f
    void set_direction(const Statistics& s, Workspace& w) const {
        ScoreDerivative& d = w.derivative;
        fill(w.direction, 0);
        std::size_t index = model().encoder_tensors, k = 0;
        for_each_tensor(
            [&](auto& direction, const auto& gradient) {
                if (k == scorer_.count() || model().monitored[k] != index++) return;
                const std::span<T> u = elements(direction);
                const std::span<const T> g = elements(gradient);
                const double norm = s.gradient_norm()[k];
                const auto add_cosine = [&](const AlignedVector<T>& reference, double squared_norm, double cosine,
                                            double slope) {
                    if (slope == 0) return;
                    const Alignment alignment{cosine, std::sqrt(squared_norm), norm};
                    add_cosine_gradient(std::span<const T>(reference), g, alignment, slope, u);
                };
                const auto add_norm = [&](double value, double slope, const T* weight) {
                    if (slope == 0 || !(value > 0)) return;
                    const double factor = slope / value;
                    for (std::size_t e = 0; e < u.size(); ++e)
                        u[e] += static_cast<T>(factor * (weight ? double{weight[e]} : 1) * double{g[e]});
                };
                add_cosine(model().references[k], model().squared_norms[k], s.cosine()[k], d[Statistic::cosine][k]);
                add_norm(norm, d[Statistic::gradient_norm][k], nullptr);
                if (scorer_.has_profile()) {
                    add_cosine(model().profile.mean[k], model().squared_mean_norms[k], s.mean_cosine()[k],
                               d[Statistic::mean_cosine][k]);
                    add_norm(s.fisher_norm()[k], d[Statistic::fisher_norm][k], model().profile.weight[k].data());
                }
                ++k;
            },
            w.direction, w.scoring.gradient.decoder);
    }

    Scorer<Model, T> scorer_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
