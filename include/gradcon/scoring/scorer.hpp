#pragma once

#include "gradcon/core/executor.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/scoring/profile.hpp"
#include "gradcon/scoring/scoring_model.hpp"
#include "gradcon/scoring/statistics.hpp"
#include "gradcon/scoring/workspace.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Scores images with a trained network. Const from construction on: any number of threads may share a Scorer, each
/// with a workspace of its own.
///
/// Time for one image: a forward pass of the network and a backward pass of the decoder; statistics with a profile take
/// half as long again, and n^2 multiplications for codes of n values.
/// Memory: that of its ScoringModel, which copies of the Scorer share. A workspace holds the activations of one image,
/// their gradients, and one tree of parameters.
template <class Model, class T>
class Scorer {
  public:
    using Scalar = T;
    using Workspace = ScoringWorkspace<Model, T>;

    /// @param policy trained together with `params`
    /// @throws ShapeError when the policy is of another network
    template <class Policy>
    Scorer(const Model& model, const params_t<Model, T>& params, const Policy& policy)
        : shared_(std::make_shared<const ScoringModel<Model, T>>(model, params, policy)) {}

    /// A Scorer that also computes the statistics that need a profile.
    /// @param profile of the same model (fit_profile); codes in it are for images of the size that it was made of
    /// @throws ShapeError when policy or profile are of another network
    template <class Policy>
    Scorer(const Model& model, const params_t<Model, T>& params, const Policy& policy,
           const GradientProfile<T>& profile)
        : shared_(std::make_shared<const ScoringModel<Model, T>>(model, params, policy, profile)) {}

    /// What this Scorer shares with its copies.
    const ScoringModel<Model, T>& model() const { return *shared_; }

    Available available() const { return model().available(); }
    bool has_profile() const { return available().profile; }
    bool has_codes() const { return available().codes; }

    /// The number of monitored tensors: of cosines for each image.
    std::size_t count() const { return model().monitored.size(); }

    Workspace workspace() const {
        Workspace w;
        w.gradient = model().form;
        w.reductions.resize(tensor_count(w.gradient));
        w.code.resize(model().profile.code_mean.size());
        w.statistics.resize(1, available());
        return w;
    }

    /// @throws ShapeError when the network cannot reconstruct images of this shape, or their codes do not have the
    /// size of the profile's
    void check(const Shape& images) const { model().check(images); }

    /// The paper's score of image `i` (section 4.3): its loss (the mean squared error) minus beta times the mean cosine
    /// of its gradients with their references. Higher is more anomalous. A pixel that is not finite gives NaN.
    /// Allocates nothing once the workspace is warm.
    /// @param images N x height x width x channels, of scalars from 0 to 1
    /// @throws ValueError when there is no image `i`
    /// @throws ShapeError when the network cannot reconstruct such images
    double score(Batch<T> images, std::size_t i, Workspace& w) const { return score_of(images, i, w); }

    /// The same for images of bytes, where 0 to 255 stand for 0 to 1.
    double score(Batch<std::uint8_t> images, std::size_t i, Workspace& w) const { return score_of(images, i, w); }

    /// The score of one image.
    /// @param image 1 x height x width x channels, of scalars or of bytes
    /// @throws ValueError when there are several images, or none
    double score(Batch<T> image, Workspace& w) const { return score_of(one(image), 0, w); }
    double score(Batch<std::uint8_t> image, Workspace& w) const { return score_of(one(image), 0, w); }

    /// All statistics of image `i`, for a score rule: rule(scorer.statistics(images, i, workspace)). They have the same
    /// bits as in Scores. Allocates nothing once the workspace is warm.
    /// @param images as score takes them
    /// @return views into the workspace, valid until it is used again
    /// @throws ValueError as score does
    /// @throws ShapeError as check does
    Statistics statistics(Batch<T> images, std::size_t i, Workspace& w) const { return statistics_of(images, i, w); }
    Statistics statistics(Batch<std::uint8_t> images, std::size_t i, Workspace& w) const {
        return statistics_of(images, i, w);
    }

    /// All statistics of one image: 1 x height x width x channels.
    Statistics statistics(Batch<T> image, Workspace& w) const { return statistics_of(one(image), 0, w); }
    Statistics statistics(Batch<std::uint8_t> image, Workspace& w) const { return statistics_of(one(image), 0, w); }

  private:
    template <class Pixel>
    static Batch<Pixel> one(Batch<Pixel> image) {
        if (image.samples() != 1) throw ValueError(message("one image is needed; given: ", image.samples()));
        return image;
    }
    template <class Pixel>
    static Batch<Pixel> image_of(Batch<Pixel> images, std::size_t i) {
        if (i >= images.samples()) throw ValueError(message("image ", i, " of ", images.samples(), " does not exist"));
        return images.slice(i, 1);
    }

    template <class Pixel>
    double score_of(Batch<Pixel> images, std::size_t i, Workspace& w) const {
        const Batch<Pixel> image = image_of(images, i);
        model().model.check_shape(image.shape());
        return pass(scalars(image, w), w, false);
    }
    template <class Pixel>
    Statistics statistics_of(Batch<Pixel> images, std::size_t i, Workspace& w) const {
        const Batch<Pixel> image = image_of(images, i);
        check(image.shape());
        w.statistics.resize(1, available()); // another scorer may have used it
        pass(scalars(image, w), w, true);
        return std::as_const(w.statistics)[std::size_t{0}];
    }

    static Batch<T> scalars(Batch<T> image, Workspace&) { return image; }
    static Batch<T> scalars(Batch<std::uint8_t> bytes, Workspace& w) {
        const auto x = reserve(w.image, bytes.shape());
        for (std::size_t k = 0, n = x.size(); k < n; ++k) x.data()[k] = static_cast<T>(bytes.data()[k]) / 255;
        return {x.data(), x.shape()};
    }

    /// @param x one image
    /// @param all whether w.statistics is written, or nothing but the score is computed
    /// @return the score
    double pass(Batch<T> x, Workspace& w, bool all) const;

    /// The sums over each monitored gradient that the statistics are made of, in w.reductions. The gradients are not
    /// stored.
    void reduce_gradients(Batch<T> dy, Workspace& w, bool profiled) const {
        const ScoringModel<Model, T>& m = model();
        w.reductions.assign(w.reductions.size(), {}); // another scorer may have monitored other tensors
        for (std::size_t k = 0; k < count(); ++k) {
            auto& reduction = w.reductions[m.monitored[k]];
            reduction.reference = m.references[k].data();
            reduction.mean = profiled ? m.profile.mean[k].data() : nullptr;
            reduction.weight = profiled ? m.profile.weight[k].data() : nullptr;
        }
        const std::span all(w.reductions);
        backward_reduce(m.model.decoder, m.packed.decoder, w.decoder, dy, w.gradient.decoder,
                        all.subspan(m.encoder_tensors), false);
    }

    double cosine_of(std::size_t k, const Workspace& w) const {
        const kernels::GradientSums& g = w.reductions[model().monitored[k]].sum;
        return cosine(g.dot, g.squared_norm, model().squared_norms[k]);
    }

    std::shared_ptr<const ScoringModel<Model, T>> shared_;
};

// Outside the class and so not inline: files that link gradcon::compiled need not compile it.
template <class Model, class T>
double Scorer<Model, T>::pass(Batch<T> x, Workspace& w, bool all) const {
    const ScoringModel<Model, T>& m = model();
    const Batch<T> h = m.model.encoder.forward(m.packed.encoder, x, w.encoder);
    const Batch<T> z = m.model.latent.forward(h, Batch<T>{}, w.latent);
    const Batch<T> y = m.model.decoder.forward(m.packed.decoder, z, w.decoder);
    w.x = x, w.y = y;
    const double error = m.model.loss.sum(y, x) / static_cast<double>(x.size());
    const Batch<T> dy = m.model.loss.gradient(y, x, x.size(), w.dy);
    reduce_gradients(dy, w, all && has_profile());
    double sum = 0;
    for (std::size_t k = 0; k < count(); ++k) sum += cosine_of(k, w);
    const double score = error - m.beta * sum / static_cast<double>(count());
    if (!all) return score;

    Scores& s = w.statistics;
    s[Statistic::score][0] = score;
    s[Statistic::reconstruction_error][0] = error;
    s[Statistic::latent_divergence][0] = m.model.latent.divergence(h);
    for (std::size_t k = 0; k < count(); ++k) {
        const kernels::GradientSums& g = w.reductions[m.monitored[k]].sum;
        s[Statistic::cosine][k] = cosine_of(k, w);
        s[Statistic::gradient_norm][k] = std::sqrt(g.squared_norm);
        if (!has_profile()) continue;
        s[Statistic::mean_cosine][k] = cosine(g.mean_dot, g.squared_norm, m.squared_mean_norms[k]);
        s[Statistic::fisher_norm][k] = std::sqrt(g.weighted_square);
    }
    if (has_codes())
        s[Statistic::code_distance][0] =
            kernels::mahalanobis(std::span<const T>(m.profile.code_whitening), std::span(m.profile.code_mean),
                                 std::span(z.data(), z.size()), w.code);
    return score;
}

template <class Model, class Params, class Policy>
Scorer(const Model&, const Params&, const Policy&) -> Scorer<Model, scalar_t<Params>>;

namespace detail {
/// f(image's index, worker) for each image, on the executor's threads.
template <class F>
void for_each_image(std::size_t samples, Executor& executor, std::size_t workspaces, F&& f) {
    if (workspaces < executor.workers())
        throw ValueError(
            message("score_each: ", executor.workers(), " workers need as many workspaces; given: ", workspaces));
    constexpr std::size_t at_once = 16; // images to a task
    executor.run((samples + at_once - 1) / at_once, [&](std::size_t task, std::size_t worker) {
        for (std::size_t i = task * at_once; i < std::min(samples, (task + 1) * at_once); ++i) f(i, worker);
    });
}

/// A batch of the scorer's scalars, or of bytes.
template <class T, class Images>
auto batch_of(const Images& images) {
    static_assert(
        std::is_convertible_v<const Images&, Batch<T>> || std::is_convertible_v<const Images&, Batch<std::uint8_t>>,
        "score_each takes images of the scorer's scalar type, or of std::uint8_t: N x height x width x channels");
    using Pixel = std::conditional_t<std::is_convertible_v<const Images&, Batch<T>>, T, std::uint8_t>;
    return Batch<Pixel>(images);
}
} // namespace detail

/// The paper's score of every image, on the executor's threads. An image's bits are the same alone, in any batch and on
/// any number of threads. Allocates nothing once the workspaces are warm.
/// @param images N x height x width x channels, of the model's scalars or of bytes
/// @param workspaces one for each worker of the executor
/// @param scores N
/// @throws ShapeError when the network cannot reconstruct such images
/// @throws ValueError for too few workspaces, or another number of scores
template <class Model, class T, class Images>
void score_each(const Scorer<Model, T>& scorer, const Images& images, Executor& executor,
                std::span<ScoringWorkspace<Model, T>> workspaces, std::span<double> scores) {
    const auto batch = detail::batch_of<T>(images);
    if (scores.size() != batch.samples())
        throw ValueError(
            message("score_each: ", batch.samples(), " images need as many scores; given: ", scores.size()));
    if (!scores.empty()) scorer.model().model.check_shape(batch.shape());
    detail::for_each_image(batch.samples(), executor, workspaces.size(), [&](std::size_t i, std::size_t worker) {
        scores[i] = scorer.score(batch, i, workspaces[worker]);
    });
}

/// All statistics of every image. Allocates nothing once the workspaces are warm and `scores` had as many samples.
/// @param scores overwritten
/// @throws ShapeError as Scorer::check does, before anything is written
/// @throws ValueError for too few workspaces
template <class Model, class T, class Images>
void score_each(const Scorer<Model, T>& scorer, const Images& images, Executor& executor,
                std::span<ScoringWorkspace<Model, T>> workspaces, Scores& scores) {
    const auto batch = detail::batch_of<T>(images);
    scorer.check(batch.shape());
    scores.resize(batch.samples(), scorer.available());
    detail::for_each_image(batch.samples(), executor, workspaces.size(), [&](std::size_t i, std::size_t worker) {
        scores.set(i, scorer.statistics(batch, i, workspaces[worker]));
    });
}

/// All statistics of every image, with workspaces made for the occasion.
template <class Model, class T, class Images>
Scores score_each(const Scorer<Model, T>& scorer, const Images& images, Executor& executor) {
    Scores scores;
    std::vector<ScoringWorkspace<Model, T>> workspaces(executor.workers(), scorer.workspace());
    score_each(scorer, images, executor, std::span(workspaces), scores);
    return scores;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
