#pragma once

#include "gradcon/detector/detector.hpp"
#include "gradcon/scoring/attribution.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Why a sample scores as it does. Maps of a picture have its own height and width, those of a table's sample are
/// 1 x 1 x 1 x its numbers.
template <class T>
struct Explanation {
    Verdict verdict; // its cosines are in the workspace
    Shape sample_shape{}, map_shape{};
    Tensor<T, 4> sample, reconstruction; // sample_shape: what the network was fed with, and what it gave back
    /// 1 x height x width x 1: the squared difference of the two, mean over the channels. Of a table one for each
    /// number.
    Tensor<T, 4> residual;
    /// map_shape, 1 x height x width x channels of the network: the score's derivative in each pixel as a value from 0
    /// to 1, in the network's colours and their order. Of a table in each number as it is standardised. Rounding of a
    /// picture of bytes on its way to the network counts as none.
    Tensor<T, 4> attribution;
};

/// What explaining writes; one for each thread, made by Explainer::workspace.
template <class T>
struct ExplainerWorkspace {
    DetectorWorkspace<T> detection;
    AttributionWorkspace<typename TrainedModel<T>::Model, T> attribution;
    std::array<std::size_t, 4> sizes{}; // that these are for: the network's height and width, the picture's
    std::vector<Footprint> rows, columns;
    std::vector<T> slope, difference, half; // of what the network takes; half: resized along one axis
};

/// Explains a detector's scores. Const: any number of threads may share it, each with a workspace of its own. An
/// explanation takes 3 to 10 times as long as a score. It adds no memory to its Detector's: both use one ScoringModel.
template <class T = float>
class Explainer {
  public:
    using Workspace = ExplainerWorkspace<T>;

    /// @throws ValueError when the score rule has no derivative (of a ConformalSum: use its `sum`)
    explicit Explainer(Detector<T> detector) : detector_(std::move(detector)), attribution_(detector_.scorer()) {
        if (std::holds_alternative<ConformalSum>(detector_.trained().score_rule))
            throw ValueError("Explainer: the score rule is a ConformalSum, a step function without derivative; use "
                             "its StandardizedSum");
    }

    const Detector<T>& detector() const { return detector_; }

    Workspace workspace() const { return {detector_.workspace(), attribution_.workspace(), {}, {}, {}, {}, {}, {}}; }

    /// Allocates nothing as long as the samples have the size and kind of the one before. Of a picture with a pixel
    /// that is not finite the maps say nothing.
    /// @param sample as Detector::score takes it  @throws as that does
    template <class Sample>
    void explain(const Sample& sample, Workspace& w, Explanation<T>& out) const {
        const Batch<T> x = detector_.prepare(sample, w.detection);
        w.slope.resize(x.size());
        attribution_.attribute(x, 0, detector_.trained().score_rule, w.attribution, std::span(w.slope));
        out.verdict = detector_.verdict(detector_.scorer().statistics(x, w.detection.scoring));
        out.sample_shape = out.map_shape = x.shape();
        const auto fed = reserve(out.sample, x.shape()), back = reserve(out.reconstruction, x.shape());
        w.difference.resize(x.size());
        const T scale = static_cast<T>(x.size()) / 2; // dL/dy = 2 (y - x) / M holds what the network gave back
        for (std::size_t i = 0; i < x.size(); ++i) {
            w.difference[i] = w.detection.scoring.dy.data()[i] * scale;
            fed.data()[i] = x.data()[i];
            back.data()[i] = x.data()[i] + w.difference[i];
        }
        maps(detail::view_of_sample(sample), w, out);
    }

  private:
    /// In a picture's own size: the residual resized like a picture, the derivative by the adjoint of the picture's
    /// resizing, which is the chain rule.
    template <Pixel P>
    void maps(const ImageView<P>& picture, Workspace& w, Explanation<T>& out) const {
        const Shape& small = detector_.shape();
        const std::size_t height = picture.height, width = picture.width, channels = small[3];
        if (const std::array wanted{small[1], small[2], height, width}; w.sizes != wanted) {
            w.sizes = {}; // should memory end
            footprints(small[1], height, w.rows);
            footprints(small[2], width, w.columns);
            w.sizes = wanted;
        }
        for (std::size_t pixel = 0; pixel < small[1] * small[2]; ++pixel) {
            T sum = 0;
            for (std::size_t c = 0; c < channels; ++c) sum += squared(w.difference[pixel * channels + c]);
            w.difference[pixel] = sum / static_cast<T>(channels); // which nobody reads again
        }
        const auto residual = reserve(out.residual, {1, height, width, 1});
        w.half.resize(std::max(small[1] * width, height * small[2] * channels));
        resample(w.difference.data(), small[1], small[2], 1, w.columns, w.half.data());
        resample(w.half.data(), 1, small[1], width, w.rows, residual.data());

        out.map_shape = {1, height, width, channels};
        const auto attribution = reserve(out.attribution, out.map_shape);
        const auto& conversion = w.detection.conversion;
        resample_adjoint(w.slope.data(), 1, height, small[2] * channels, conversion.rows, w.half.data());
        resample_adjoint(w.half.data(), height, width, channels, conversion.columns, attribution.data());
        const T scale = static_cast<T>(std::get<ImageInput>(detector_.trained().input).scale);
        for (std::size_t i = 0, n = attribution.size(); i < n; ++i) attribution.data()[i] *= scale;
    }
    template <class Number>
    void maps(std::span<const Number>, Workspace& w, Explanation<T>& out) const {
        const auto residual = reserve(out.residual, out.map_shape);
        const auto attribution = reserve(out.attribution, out.map_shape);
        for (std::size_t i = 0; i < w.slope.size(); ++i) {
            residual.data()[i] = squared(w.difference[i]);
            attribution.data()[i] = w.slope[i];
        }
    }
    static T squared(T value) { return value * value; }

    Detector<T> detector_;
    Attribution<typename TrainedModel<T>::Model, T> attribution_;
};

template <class T>
Explainer(Detector<T>) -> Explainer<T>;

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
