#pragma once

#include "gradcon/nn/chain.hpp"
#include "gradcon/scoring/scoring_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// Scores of many samples at once, for an autoencoder of Linear layers: each location of a feature map is a sample.
//
// In a Linear layer the gradient of one sample is the outer product of its input a and the adjoint d of the output, so
// it has rank one and need not be formed (Backpropagated Gradient Representations, section 4, for such layers):
//     <G, a d'> = (a' G) d     |a d'|^2 = |a|^2 |d|^2     sum of W_ij (a_i d_j)^2 = (a^2)' W (d^2)
// a' G of all samples is a forward pass of a Linear layer whose weight is the reference G.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What scoring locations writes; one for each thread.
template <class T>
struct LocationWorkspace {
    using Model = Autoencoder<Chain, Chain>;

    encoder_cache_t<Model, T> encoder;
    Latent::Cache<T> latent;
    decoder_cache_t<Model, T> decoder;
    typename Chain::template Params<T> gradient; // a tree of zeros, which the backward pass asks for and leaves alone
    std::array<kernels::Reduction<T>, 2> nothing{}; // of a Linear layer's weight and bias
    Tensor<T, 4> dy;
    Linear::Cache<T> whitened;
    /// For each monitored tensor: memory of its shapes, so that none is allocated again and again.
    struct Comparison {
        Linear::Cache<T> product;
        Tensor<T, 4> squared_x, squared_dy;
    };
    std::vector<Comparison> comparisons;
    std::vector<double> squared_norms; // of the gradients of a block
};

/// Scores the locations of a map: the same numbers, to the rounding of T, as a Scorer gives for each location alone.
/// Const from construction on; each thread needs a workspace of its own.
///
/// Time for a location: a forward pass, a backward pass of the decoder, and for each monitored weight one product with
/// the reference, one more with the mean gradient and one with the Fisher weights if those statistics are wanted.
template <class T>
class LocationScorer {
  public:
    using Model = Autoencoder<Chain, Chain>;
    using Workspace = LocationWorkspace<T>;

    /// @param wanted the statistics to compute; those that the model cannot compute are left out. Where none of them is
    /// of the gradient, there is no backward pass, and the paper's score is NaN
    /// @throws ShapeError when the network does not give locations back, or codes are not as long as the profile's;
    /// ValueError when the encoder does not begin with a Linear layer, the decoder has layers other than Linear and
    /// elementwise ones, or the latent is Gaussian
    LocationScorer(ScoringModel<Model, T> model, std::span<const Statistic> wanted = every_statistic)
        : model_(std::move(model)) {
        for (const Statistic s : wanted) wanted_[s] = model_.available().size(s) > 0;
        for (const Statistic s : {Statistic::score, Statistic::cosine, Statistic::gradient_norm, Statistic::mean_cosine,
                                  Statistic::fisher_norm})
            of_gradient_ = of_gradient_ || wanted_[s];
        wanted_[Statistic::score] = wanted_[Statistic::reconstruction_error] = true; // a Scores counts by them
        const auto& encoder = model_.model.encoder.layers();
        if (encoder.empty() || !is_linear(encoder.front()))
            throw ValueError("LocationScorer: the encoder must begin with a Linear layer");
        model_.check({1, 1, 1, values()});
        for (const auto& layer : model_.model.decoder.layers())
            if (!is_linear(layer) && !is_elementwise(layer))
                throw ValueError("LocationScorer: the decoder may have Linear layers and activations only");
        if (model_.model.latent.is_gaussian())
            throw ValueError("LocationScorer: a Gaussian latent is not supported; train without one");
        prepare();
    }

    const ScoringModel<Model, T>& model() const { return model_; }

    /// The numbers of a location.
    std::size_t values() const { return std::get<Linear>(model_.model.encoder.layers().front()).in_features(); }

    Workspace workspace() const {
        Workspace w;
        w.gradient = model_.form.decoder;
        w.comparisons.resize(monitored_.size());
        return w;
    }

    /// The statistics of N locations; a statistic that is not wanted is left empty. Allocates nothing once the
    /// workspace and `scores` have seen as many locations.
    /// @param locations N x values() numbers, one location after the other
    /// @throws ShapeError when they do not fill locations
    void score(std::span<const T> locations, Workspace& w, Scores& scores) const {
        const std::size_t n = values();
        if (locations.size() % n != 0)
            throw ShapeError(message("LocationScorer: ", locations.size(), " numbers do not fill locations of ", n));
        const std::size_t count = locations.size() / n;
        for (const Statistic s : every_statistic) scores[s].resize(wanted_[s] ? count * model_.available().size(s) : 0);
        for (std::size_t first = 0; first < count; first += block) {
            const std::size_t size = std::min(block, count - first);
            score_block({locations.data() + first * n, {size, 1, 1, n}}, first, w, scores);
        }
    }

  private:
    static constexpr std::size_t block = 128; // locations that go through the network together: they stay in the cache

    using Packed = typename Linear::template Packed<T>;

    /// What a monitored tensor is compared with, as the weights of a Linear layer.
    struct Monitored {
        std::size_t layer = 0; // of the decoder
        bool bias = false;
        Packed reference, mean, fisher;
    };

    template <class Layer>
    static constexpr bool elementwise = requires(const Layer& l) {
        l.derivative(T{}, T{});
    };
    static bool is_linear(const Chain::AnyLayer& layer) { return std::holds_alternative<Linear>(layer); }
    static bool is_elementwise(const Chain::AnyLayer& layer) {
        return std::visit([](const auto& l) { return elementwise<std::remove_cvref_t<decltype(l)>>; }, layer);
    }

    static Packed packed(const Linear& layer, std::span<const T> weight) {
        typename Linear::template Params<T> params;
        params.weight.resize({layer.in_features(), layer.out_features()});
        std::ranges::copy(weight, params.weight.data());
        params.bias.resize({layer.out_features()});
        std::fill_n(params.bias.data(), params.bias.size(), T{});
        Packed p;
        layer.pack(params, p);
        return p;
    }

    void prepare() {
        std::size_t tensor = model_.encoder_tensors, next = 0; // monitored tensors are in the order of the tree
        const auto& layers = model_.model.decoder.layers();
        for (std::size_t i = 0; i < layers.size(); ++i) {
            if (!is_linear(layers[i])) continue;
            const Linear& layer = std::get<Linear>(layers[i]);
            for (const bool bias : {false, true}) {
                if (next < model_.monitored.size() && model_.monitored[next] == tensor) {
                    Monitored m{i, bias, {}, {}, {}};
                    if (!bias) {
                        m.reference = packed(layer, model_.references[next]);
                        if (wanted_[Statistic::mean_cosine]) m.mean = packed(layer, model_.profile.mean[next]);
                        if (wanted_[Statistic::fisher_norm]) m.fisher = packed(layer, model_.profile.weight[next]);
                    }
                    monitored_.push_back(std::move(m));
                    ++next;
                }
                ++tensor;
            }
        }
        if (wanted_[Statistic::code_distance]) { // W (z - mean) as a Linear layer
            const std::size_t n = model_.profile.code_mean.size();
            typename Linear::template Params<T> params;
            params.weight.resize({n, n});
            params.bias.resize({n});
            for (std::size_t o = 0; o < n; ++o) {
                double shift = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    const T value = model_.profile.code_whitening[o * n + i];
                    params.weight.data()[i * n + o] = value;
                    shift -= double{value} * model_.profile.code_mean[i];
                }
                params.bias.data()[o] = static_cast<T>(shift);
            }
            Linear(n, n).pack(params, whitening_);
        }
    }

    void score_block(Batch<T> x, std::size_t first, Workspace& w, Scores& scores) const {
        const Model& m = model_.model;
        const std::size_t count = x.samples(), n = x.sample_size(), tensors = monitored_.size();
        const Batch<T> h = m.encoder.forward(model_.packed.encoder, x, w.encoder);
        const Batch<T> z = m.latent.forward(h, Batch<T>{}, w.latent);
        const Batch<T> y = m.decoder.forward(model_.packed.decoder, z, w.decoder);
        for (std::size_t i = 0; i < count; ++i)
            scores[Statistic::reconstruction_error][first + i] =
                m.loss.sum(y.slice(i, 1), x.slice(i, 1)) / static_cast<double>(n);
        if (wanted_[Statistic::latent_divergence])
            std::fill_n(scores[Statistic::latent_divergence].begin() + static_cast<std::ptrdiff_t>(first), count, 0.0);
        if (wanted_[Statistic::code_distance]) {
            const std::size_t codes = z.sample_size();
            const Batch<T> white = Linear(codes, codes).forward(whitening_, z, w.whitened);
            for (std::size_t i = 0; i < count; ++i) {
                const std::span row(white.data() + i * codes, codes);
                scores[Statistic::code_distance][first + i] = std::sqrt(kernels::dot(row, row));
            }
        }

        double* const score = scores[Statistic::score].data() + first;
        if (!of_gradient_) {
            std::fill_n(score, count, std::numeric_limits<double>::quiet_NaN());
            return;
        }
        // the loss of a location is a mean over its n values, as Scorer has it
        Batch<T> dy = m.loss.gradient(y, x, n, w.dy);
        std::fill_n(score, count, 0.0); // first the sum of the cosines
        std::size_t left = tensors;
        for (std::size_t i = m.decoder.size(); i-- > 0 && left > 0;) {
            for (; left > 0 && monitored_[left - 1].layer == i; --left) compare(left - 1, dy, first, w, scores);
            if (left > 0) dy = backward(i, dy, w);
        }
        for (std::size_t i = 0; i < count; ++i)
            score[i] = scores[Statistic::reconstruction_error][first + i] -
                       model_.beta * score[i] / static_cast<double>(std::max<std::size_t>(1, tensors));
    }

    /// The statistics of monitored tensor k. @param dy the adjoint of its layer's output
    void compare(std::size_t k, Batch<T> dy, std::size_t first, Workspace& w, Scores& scores) const {
        const Monitored& m = monitored_[k];
        auto& own = w.comparisons[k];
        const std::size_t count = dy.samples(), out = dy.sample_size(), tensors = monitored_.size();
        const auto to = [&](Statistic s, std::size_t i) -> double& { return scores[s][(first + i) * tensors + k]; };
        const auto row = [](Batch<T> batch, std::size_t i) {
            return std::span(batch.data() + i * batch.sample_size(), batch.sample_size());
        };
        const Linear& layer = std::get<Linear>(model_.model.decoder.layers()[m.layer]);
        const Batch<T> x = std::get<typename Linear::template Cache<T>>(w.decoder.layers[m.layer]).x;

        w.squared_norms.resize(block);
        for (std::size_t i = 0; i < count; ++i) {
            const double adjoint = kernels::dot(row(dy, i), row(dy, i));
            w.squared_norms[i] = m.bias ? adjoint : adjoint * kernels::dot(row(x, i), row(x, i));
            if (wanted_[Statistic::gradient_norm]) to(Statistic::gradient_norm, i) = std::sqrt(w.squared_norms[i]);
        }
        // <reference, gradient> of location i
        const auto product = [&](const Packed& reference, std::span<const T> of_bias, auto&& use) {
            const Batch<T> columns = m.bias ? Batch<T>{} : layer.forward(reference, x, own.product);
            for (std::size_t i = 0; i < count; ++i)
                use(i, kernels::dot(m.bias ? of_bias : row(columns, i), row(dy, i)));
        };
        product(m.reference, model_.references[k], [&](std::size_t i, double dot) {
            const double c = cosine(dot, w.squared_norms[i], model_.squared_norms[k]);
            scores[Statistic::score][first + i] += c;
            if (wanted_[Statistic::cosine]) to(Statistic::cosine, i) = c;
        });
        if (wanted_[Statistic::mean_cosine])
            product(m.mean, model_.profile.mean[k], [&](std::size_t i, double dot) {
                to(Statistic::mean_cosine, i) = cosine(dot, w.squared_norms[i], model_.squared_mean_norms[k]);
            });
        if (wanted_[Statistic::fisher_norm]) {
            const Batch<T> squared_dy = square(dy, own.squared_dy);
            const Batch<T> columns =
                m.bias ? Batch<T>{} : layer.forward(m.fisher, square(x, own.squared_x), own.product);
            for (std::size_t i = 0; i < count; ++i)
                to(Statistic::fisher_norm, i) = std::sqrt(
                    kernels::dot(m.bias ? std::span<const T>(model_.profile.weight[k]).first(out) : row(columns, i),
                                 row(squared_dy, i)));
        }
    }

    static Batch<T> square(Batch<T> from, Tensor<T, 4>& storage) {
        const auto to = reserve(storage, from.shape());
        for (std::size_t i = 0, n = from.size(); i < n; ++i) to.data()[i] = from.data()[i] * from.data()[i];
        return to;
    }

    /// The adjoint of the input of decoder layer i.
    Batch<T> backward(std::size_t i, Batch<T> dy, Workspace& w) const {
        return std::visit(
            [&](const auto& layer) -> Batch<T> {
                using Layer = std::remove_cvref_t<decltype(layer)>;
                if constexpr (std::is_same_v<Layer, Linear> || elementwise<Layer>) {
                    constexpr std::size_t kind = detail::ByLayer<Chain::AnyLayer>::index<Layer>;
                    auto& cache = std::get<kind>(w.decoder.layers[i]);
                    const auto& params = std::get<kind>(model_.packed.decoder.layers[i]);
                    auto& gradient = std::get<kind>(w.gradient.layers[i]);
                    if constexpr (std::is_same_v<Layer, Linear>)
                        return layer.backward_reduce(params, cache, dy, gradient,
                                                     std::span<kernels::Reduction<T>>(w.nothing), true);
                    else return layer.backward(params, cache, dy, gradient);
                } else {
                    return dy; // refused by the constructor
                }
            },
            model_.model.decoder.layers()[i]);
    }

    ScoringModel<Model, T> model_;
    ByStatistic<bool> wanted_;
    bool of_gradient_ = false; // is one of them?
    std::vector<Monitored> monitored_;
    Packed whitening_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
