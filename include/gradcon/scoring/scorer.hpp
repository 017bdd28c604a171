#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/core/executor.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/scoring/profile.hpp"
#include "gradcon/scoring/statistics.hpp"
#include "gradcon/scoring/workspace.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

template <class Model, class T>
class Attribution;

/// A trained detector: packed weights and reference gradients, const from construction on. Any number of threads may
/// score with one Scorer, each with a workspace of its own.
template <class Model, class T>
class Scorer {
  public:
    using Scalar = T;
    using Workspace = ScoringWorkspace<Model, T>;

    /// @param policy trained together with params  @throws ShapeError when it is of another network
    template <class Policy>
    Scorer(const Model& model, const params_t<Model, T>& params, const Policy& policy)
        : model_(model), gradient_(zeros_like(params)), encoder_tensors_(tensor_count(params.encoder)),
          beta_(policy.options().beta), monitored_(policy.monitored()) {
        model_.pack(params, packed_);
        static_assert(std::is_same_v<typename Policy::Gradients, decltype(params_t<Model, T>::decoder)>,
                      "the policy is of another network: make it with GradCon{params.decoder, ...}");
        for (std::size_t& index : monitored_) index += encoder_tensors_;
        if (tensor_count(gradient_) <= monitored_.back())
            throw ShapeError("Scorer: the policy monitors another network");
        policy.for_each_monitored(params.decoder, [&](std::size_t i, const auto& tensor) {
            const auto values = policy.reference().values(i);
            if (values.size() != tensor.size())
                throw ShapeError(message("Scorer: monitored tensor ", policy.names()[i], " has ", tensor.size(),
                                         " elements, its reference ", values.size()));
            references_.emplace_back(values.begin(), values.end());
            squared_norms_.push_back(policy.reference().squared_norm(i));
        });
    }

    /// The same with a profile of the same model (fit_profile), for the statistics that need one. An image takes half
    /// as long again. Codes in the profile are for images of the size that it was made of.
    /// @throws ShapeError when the profile is of other tensors
    template <class Policy>
    Scorer(const Model& model, const params_t<Model, T>& params, const Policy& policy,
           const GradientProfile<T>& profile)
        : Scorer(model, params, policy) {
        check_profile(profile, policy, params.decoder);
        profile_ = profile;
        for (const auto& mean : profile_.mean)
            squared_mean_norms_.push_back(kernels::dot(std::span(mean), std::span(mean)));
    }

    bool has_profile() const { return !profile_.mean.empty(); }
    /// Can it give code distances?
    bool has_codes() const { return profile_.has_codes(); }

    /// The number of monitored tensors: of cosines for each image.
    std::size_t count() const { return monitored_.size(); }

    Workspace workspace() const {
        Workspace w;
        w.gradient = gradient_;
        w.reductions.resize(tensor_count(gradient_));
        w.code.resize(profile_.code_mean.size());
        w.statistics.resize(4 + 4 * count());
        return w;
    }

    /// @throws ShapeError when the model cannot give such images back, or their codes are not as long as the profile's;
    /// ValueError for a span that is neither empty nor as long as ScoreOutput says, or lacks its profile or codes
    void check(const Shape& images, const ScoreOutput& out) const {
        const auto needs = [&](const char* name, std::span<double> span, std::size_t values, bool possible = true) {
            if (span.empty()) return;
            if (!possible)
                throw ValueError(message("scores: ", name, " needs a Scorer that was made with a GradientProfile",
                                         has_profile() ? " with codes" : ""));
            if (span.size() != images[0] * values)
                throw ValueError(message("scores: ", name, " of ", images[0], " images needs a span of ", values,
                                         " for each, or an empty one; given: ", span.size()));
        };
        needs("score", out.score, 1);
        needs("reconstruction_error", out.reconstruction_error, 1);
        needs("cosine", out.cosine, count());
        needs("gradient_norm", out.gradient_norm, count());
        needs("latent_divergence", out.latent_divergence, 1);
        needs("mean_cosine", out.mean_cosine, count(), has_profile());
        needs("fisher_norm", out.fisher_norm, count(), has_profile());
        needs("code_distance", out.code_distance, 1, has_codes());
        if (images[0] == 0) return;
        model_.check_shape(images);
        if (!out.code_distance.empty() && model_.code_size(images) != profile_.code_mean.size())
            throw ShapeError(message("scores: the profile's codes have ", profile_.code_mean.size(),
                                     " values, those of these images ", model_.code_size(images)));
    }

    /// Scores image `i` of `images` (paper, section 4.3): a forward pass, the decoder's backward pass on this image's
    /// own loss, and each monitored gradient's cosine with its reference. Allocates nothing once the workspace is warm.
    /// A pixel that is not finite gives NaN.
    /// @throws ValueError when there is no image `i`, and as check does
    void score(Batch<T> images, std::size_t i, Workspace& w, const ScoreOutput& out) const {
        check_image(images.shape(), i, out);
        score_image(pixels(images, i, w), i, w, out);
    }

    /// The same for images of bytes, as a camera gives them: 0 to 255 stand for 0 to 1.
    void score(Batch<std::uint8_t> images, std::size_t i, Workspace& w, const ScoreOutput& out) const {
        check_image(images.shape(), i, out);
        score_image(pixels(images, i, w), i, w, out);
    }

    /// All that this scorer can tell of image `i` of `images`, for a score rule: rule(scorer.statistics(...)). The
    /// same bits as in Scores; allocates nothing once the workspace is warm.
    /// @return views into the workspace, valid until it is used again
    /// @throws as score does
    SampleStatistics statistics(Batch<T> images, std::size_t i, Workspace& w) const {
        return statistics_of(images, i, w);
    }
    SampleStatistics statistics(Batch<std::uint8_t> images, std::size_t i, Workspace& w) const {
        return statistics_of(images, i, w);
    }

  private:
    friend class Attribution<Model, T>; // differentiates what is computed here

    /// Image i as scalars.
    static Batch<T> pixels(Batch<T> images, std::size_t i, Workspace&) { return images.slice(i, 1); }
    static Batch<T> pixels(Batch<std::uint8_t> images, std::size_t i, Workspace& w) {
        const Batch<std::uint8_t> bytes = images.slice(i, 1);
        const auto x = reserve(w.image, bytes.shape());
        for (std::size_t k = 0, n = x.size(); k < n; ++k) x.data()[k] = static_cast<T>(bytes.data()[k]) / 255;
        return {x.data(), x.shape()};
    }

    template <class Pixel>
    SampleStatistics statistics_of(Batch<Pixel> images, std::size_t i, Workspace& w) const {
        if (i >= images.samples()) throw no_such_image(i, images.samples());
        const Batch<Pixel> image = images.slice(i, 1);
        w.statistics.resize(4 + 4 * count());
        std::span<double> room(w.statistics);
        const auto take = [&](std::size_t values) {
            const auto taken = room.first(values);
            room = room.subspan(values);
            return taken;
        };
        ScoreOutput out{take(1), take(1), take(count()), take(count()), take(1)};
        if (has_profile()) out.mean_cosine = take(count()), out.fisher_norm = take(count());
        if (has_codes()) out.code_distance = take(1);
        check(image.shape(), out);
        score_image(pixels(image, 0, w), 0, w, out);
        SampleStatistics s{out.score[0],      out.reconstruction_error[0], out.cosine,
                           out.gradient_norm, out.latent_divergence[0],    out.mean_cosine,
                           out.fisher_norm};
        if (has_codes()) s.code_distance = out.code_distance[0];
        return s;
    }

    static ValueError no_such_image(std::size_t i, std::size_t of) {
        return ValueError(message("image ", i, " of ", of, " does not exist"));
    }
    void check_image(const Shape& images, std::size_t i, const ScoreOutput& out) const {
        if (i >= images[0]) throw no_such_image(i, images[0]);
        check(images, out);
    }

    void score_image(Batch<T> x, std::size_t i, Workspace& w, const ScoreOutput& out) const {
        const Batch<T> h = model_.encoder.forward(packed_.encoder, x, w.encoder);
        const Batch<T> z = model_.latent.forward(h, Batch<T>{}, w.latent);
        const Batch<T> y = model_.decoder.forward(packed_.decoder, z, w.decoder);
        w.x = x, w.y = y;
        const double error = model_.loss.sum(y, x) / static_cast<double>(x.size());
        const Batch<T> dy = model_.loss.gradient(y, x, x.size(), w.dy);
        const bool profiled = !out.mean_cosine.empty() || !out.fisher_norm.empty();
        w.reductions.assign(w.reductions.size(), {}); // another scorer may have used it, with other tensors monitored
        for (std::size_t k = 0; k < count(); ++k) {
            auto& reduction = w.reductions[monitored_[k]];
            reduction.reference = references_[k].data();
            reduction.mean = profiled ? profile_.mean[k].data() : nullptr;
            reduction.weight = profiled ? profile_.weight[k].data() : nullptr;
        }
        const std::span all(w.reductions);
        backward_reduce(model_.decoder, packed_.decoder, w.decoder, dy, w.gradient.decoder,
                        all.subspan(encoder_tensors_), false);
        double sum = 0;
        for (std::size_t k = 0; k < count(); ++k) {
            const auto& reduced = w.reductions[monitored_[k]].sum;
            const double c = cosine(reduced.dot, reduced.squared_norm, squared_norms_[k]);
            if (!out.cosine.empty()) out.cosine[i * count() + k] = c;
            if (!out.gradient_norm.empty()) out.gradient_norm[i * count() + k] = std::sqrt(reduced.squared_norm);
            if (!out.mean_cosine.empty())
                out.mean_cosine[i * count() + k] =
                    cosine(reduced.mean_dot, reduced.squared_norm, squared_mean_norms_[k]);
            if (!out.fisher_norm.empty()) out.fisher_norm[i * count() + k] = std::sqrt(reduced.weighted_square);
            sum += c;
        }
        if (!out.latent_divergence.empty()) out.latent_divergence[i] = model_.latent.divergence(h);
        if (!out.code_distance.empty())
            out.code_distance[i] =
                kernels::mahalanobis(std::span<const T>(profile_.code_whitening), std::span(profile_.code_mean),
                                     std::span(z.data(), z.size()), w.code);
        if (!out.reconstruction_error.empty()) out.reconstruction_error[i] = error;
        if (!out.score.empty()) out.score[i] = error - beta_ * sum / static_cast<double>(count());
    }

    Model model_;
    typename Model::template Packed<T> packed_;
    params_t<Model, T> gradient_; // its form only
    std::size_t encoder_tensors_;
    std::vector<AlignedVector<T>> references_;
    std::vector<double> squared_norms_;
    double beta_;
    std::vector<std::size_t> monitored_;
    GradientProfile<T> profile_;
    std::vector<double> squared_mean_norms_;
};

template <class Model, class Params, class Policy>
Scorer(const Model&, const Params&, const Policy&) -> Scorer<Model, scalar_t<Params>>;

/// Scores every image, on the executor's threads; an image's bits are the same alone, in any batch and on any number of
/// threads. Allocates nothing once the workspaces, one for each worker, are warm.
/// @throws ShapeError for images that the model cannot give back, ValueError for a span or workspaces that do not
/// suffice
/// @param images of the model's scalars, or of bytes
template <class Model, class T, class Images>
void score_each(const Scorer<Model, T>& scorer, const Images& images, Executor& executor,
                std::span<ScoringWorkspace<Model, T>> workspaces, const ScoreOutput& out) {
    static_assert(
        std::is_convertible_v<const Images&, Batch<T>> || std::is_convertible_v<const Images&, Batch<std::uint8_t>>,
        "score_each takes images of the scorer's scalar type, or of std::uint8_t: N x height x width x channels");
    using Pixel = std::conditional_t<std::is_convertible_v<const Images&, Batch<T>>, T, std::uint8_t>;
    const Batch<Pixel> pixels(images);
    const std::size_t samples = pixels.samples();
    scorer.check(pixels.shape(), out);
    if (workspaces.size() < executor.workers())
        throw ValueError(message("score_each: ", executor.workers(),
                                 " workers need as many workspaces; given: ", workspaces.size()));
    constexpr std::size_t at_once = 16; // images to a task
    executor.run((samples + at_once - 1) / at_once, [&](std::size_t task, std::size_t worker) {
        for (std::size_t i = task * at_once; i < std::min(samples, (task + 1) * at_once); ++i)
            scorer.score(pixels, i, workspaces[worker], out);
    });
}

/// score_each that makes workspaces and results: all statistics that the scorer can give.
template <class Model, class T, class Images>
Scores score_each(const Scorer<Model, T>& scorer, const Images& images, Executor& executor) {
    Scores scores;
    const auto samples = static_cast<std::size_t>(images.shape()[0]);
    scores.count = scorer.count();
    const auto room = [&](std::size_t values, auto&... vectors) { (vectors.resize(samples * values), ...); };
    room(1, scores.score, scores.reconstruction_error, scores.latent_divergence);
    room(scorer.count(), scores.cosine, scores.gradient_norm);
    if (scorer.has_profile()) room(scorer.count(), scores.mean_cosine, scores.fisher_norm);
    if (scorer.has_codes()) room(1, scores.code_distance);
    std::vector<ScoringWorkspace<Model, T>> workspaces(executor.workers(), scorer.workspace());
    score_each(scorer, images, executor, std::span(workspaces),
               {scores.score, scores.reconstruction_error, scores.cosine, scores.gradient_norm,
                scores.latent_divergence, scores.mean_cosine, scores.fisher_norm, scores.code_distance});
    return scores;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
