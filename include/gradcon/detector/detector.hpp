#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/executor.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/detector/trained_model.hpp"
#include "gradcon/scoring/scorer.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What a detector says of one sample.
struct Verdict {
    double score = 0; // of the model's score rule; higher is more anomalous. NaN for a sample that is not finite
    double p_value = std::numeric_limits<double>::quiet_NaN(); // see Calibration::p_value; NaN when not calibrated
    bool anomalous = false;           // does the score reach the calibration's threshold? false without one
    double reconstruction_error = 0;  // mean squared error
    std::span<const double> cosine{}; // of each monitored tensor; in the workspace until it is used again
};

/// What scoring writes; one for each thread, made by Detector::workspace.
template <class T>
struct DetectorWorkspace {
    ScoringWorkspace<typename TrainedModel<T>::Model, T> scoring;
    ImageInputWorkspace<T> conversion;
    Tensor<T, 4> sample; // as the network takes it
};

namespace detail {
/// A sample as a detector reads it: a picture as it is, numbers as a span.
template <Pixel P>
ImageView<P> view_of_sample(const ImageView<P>& picture) {
    return picture;
}
template <std::ranges::contiguous_range Rows>
requires std::ranges::sized_range<Rows> && std::is_floating_point_v<std::ranges::range_value_t<Rows>>
auto view_of_sample(const Rows& rows) {
    return std::span<const std::ranges::range_value_t<Rows>>(std::ranges::data(rows), std::ranges::size(rows));
}
template <class Sample>
concept SampleOfDetector = requires(const Sample& sample) {
    view_of_sample(sample);
};
} // namespace detail

/// A trained and calibrated model that scores pictures as they come (or rows of a table), const from construction on:
/// any number of threads may share it, each with a workspace of its own. Nothing is allocated once a workspace has seen
/// a picture of each size and kind.
///
/// Memory: its TrainedModel and one ScoringModel, which copies of the Detector share. The profile lies in both.
template <class T = float>
class Detector {
  public:
    using Scalar = T;
    using Workspace = DetectorWorkspace<T>;

    /// @throws ValueError when the model's input is unknown, or its score rule needs what the model cannot tell;
    /// ShapeError when the network cannot give such samples back, or their codes are not as long as the profile's
    explicit Detector(TrainedModel<T> trained)
        : trained_(std::move(trained)), shape_(sample_shape(trained_.input)), scorer_(make_scorer(trained_)) {
        scorer_.check(shape_);
        check(trained_.score_rule, scorer_.available());
    }

    const TrainedModel<T>& trained() const { return trained_; }
    const Calibration& calibration() const { return trained_.calibration; }
    /// Of one sample as the network takes it: 1 x height x width x channels, of a table 1 x 1 x 1 x values.
    const Shape& shape() const { return shape_; }
    const Scorer<typename TrainedModel<T>::Model, T>& scorer() const { return scorer_; }

    /// The same model with another calibration: recalibrated on new normal samples, or with another threshold.
    Detector with(Calibration calibration) const {
        Detector other(*this);
        other.trained_.calibration = std::move(calibration);
        return other;
    }

    Workspace workspace() const { return {scorer_.workspace(), {}, {}}; }

    /// Scores one sample. Its bits do not depend on threads or other samples.
    /// @param sample an ImageView of any size, strides and colours; or of a table TableInput::values() floats or
    /// doubles that lie one after the other (std::span, std::vector, std::array): `window` rows
    /// @throws ShapeError for a picture without pixels or another number of numbers, ValueError for a picture when the
    /// detector is for tables, and the other way round
    template <class Sample>
    Verdict score(const Sample& sample, Workspace& w) const {
        return verdict(statistics(sample, w));
    }
    /// score that makes a workspace for the occasion; the cosines are left out.
    template <class Sample>
    Verdict score(const Sample& sample) const {
        Workspace w = workspace();
        Verdict v = score(sample, w);
        v.cosine = {};
        return v;
    }

    /// What the verdict is made of: all statistics of a sample, for other score rules.
    /// @return views into the workspace, valid until it is used again  @throws as score does
    template <class Sample>
    Statistics statistics(const Sample& sample, Workspace& w) const {
        return scorer_.statistics(prepare(sample, w), w.scoring);
    }
    /// Of statistics that this detector gave; its cosines are theirs.
    Verdict verdict(const Statistics& s) const {
        const bool known = is_finite(s.reconstruction_error()); // a rectifier may have hidden a pixel that is NaN
        const double score = known ? trained_.score_rule(s) : std::numeric_limits<double>::quiet_NaN();
        Verdict v{.score = score, .reconstruction_error = s.reconstruction_error(), .cosine = s.cosine()};
        if (!calibration().empty()) v.p_value = calibration().p_value(score);
        if (!calibration().empty() || calibration().own_threshold()) v.anomalous = calibration().is_anomalous(score);
        return v;
    }

    /// A sample as the network takes it: 1 x height x width x channels, in the workspace. @throws as score does
    template <class Sample>
    Batch<T> prepare(const Sample& sample, Workspace& w) const {
        static_assert(
            detail::SampleOfDetector<Sample>,
            "a Detector takes a picture as an ImageView of std::uint8_t, std::uint16_t or float (view_of makes "
            "one of a tensor), and rows of a table as floats or doubles that lie one after the other "
            "(std::span, std::vector, std::array)");
        return prepare_view(detail::view_of_sample(sample), w);
    }

  private:
    template <Pixel P>
    Batch<T> prepare_view(const ImageView<P>& picture, Workspace& w) const {
        const auto* image = std::get_if<ImageInput>(&trained_.input);
        if (image == nullptr) throw ValueError("this detector is for rows of numbers, not for pictures");
        const auto to = reserve(w.sample, shape_);
        convert(picture, *image, w.conversion, to.data());
        return {to.data(), shape_};
    }
    template <class Number>
    Batch<T> prepare_view(std::span<const Number> rows, Workspace& w) const {
        const auto* table = std::get_if<TableInput>(&trained_.input);
        if (table == nullptr) throw ValueError("this detector is for pictures, not for rows of numbers");
        const auto to = reserve(w.sample, shape_);
        convert(rows, *table, to.data());
        return {to.data(), shape_};
    }

    static auto make_scorer(const TrainedModel<T>& t) {
        using S = Scorer<typename TrainedModel<T>::Model, T>;
        return t.profile.mean.empty() ? S(t.model, t.params, t.policy) : S(t.model, t.params, t.policy, t.profile);
    }

    TrainedModel<T> trained_;
    Shape shape_;
    Scorer<typename TrainedModel<T>::Model, T> scorer_;
};

template <class T>
Detector(TrainedModel<T>) -> Detector<T>;

/// Scores many samples on the executor's threads: the bits of Detector::score. Allocates nothing once the workspaces,
/// one for each worker, are warm.
/// @param samples image views, or rows of numbers: what Detector::score takes
/// @param verdicts as many; their cosines are views into `cosines`, or left out where that is empty
/// @param cosines empty, or scorer().count() numbers for each sample
/// @throws ValueError for spans or workspaces that do not suffice, and as Detector::score does
template <class T, class Sample>
void score_each(const Detector<T>& detector, std::span<const Sample> samples, Executor& executor,
                std::span<DetectorWorkspace<T>> workspaces, std::span<Verdict> verdicts,
                std::span<double> cosines = {}) {
    const std::size_t count = detector.scorer().count();
    if (workspaces.size() < executor.workers() || verdicts.size() != samples.size() ||
        (!cosines.empty() && cosines.size() != samples.size() * count))
        throw ValueError(message("score_each: ", executor.workers(), " workers and ", samples.size(),
                                 " samples need as many workspaces and verdicts, and ", samples.size() * count,
                                 " cosines or none; given: ", workspaces.size(), ", ", verdicts.size(), " and ",
                                 cosines.size()));
    executor.run(samples.size(), [&](std::size_t i, std::size_t worker) {
        Verdict v = detector.score(samples[i], workspaces[worker]);
        const auto kept = cosines.empty() ? std::span<double>{} : cosines.subspan(i * count, count);
        if (!kept.empty()) std::ranges::copy(v.cosine, kept.begin());
        v.cosine = kept;
        verdicts[i] = v;
    });
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
