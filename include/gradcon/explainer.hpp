#pragma once

#include "gradcon/attribution.hpp"
#include "gradcon/detector.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <variant>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// Why a sample scores as it does. Maps of a picture have its own height and width, those of a table's sample are
/// 1 x 1 x its numbers.
template <class T>
struct Explanation {
    Verdict verdict; // its cosines are in the workspace
    Shape sample_shape{}, map_shape{};
    Tensor<T, 4> sample, reconstruction; // sample_shape: what the network was fed with, and what it gave back
    Tensor<T, 4> residual;    // 1 x height x width x 1: the squared difference of the two, mean over the channels
    Tensor<T, 4> attribution; // map_shape, 1 x height x width x channels of the network: the score's derivative in each
                              // number of the picture as a value from 0 to 1 (of a table: as it is standardised)
};

/// What explaining writes; one for each thread, made by Explainer::workspace.
template <class T>
struct ExplainerWorkspace {
    DetectorWorkspace<T> detection;
    AttributionWorkspace<typename TrainedModel<T>::Model, T> attribution;
    std::array<std::size_t, 4> sizes{}; // that these are for: the network's height and width, the picture's
    std::vector<Footprint> rows, columns;
    std::vector<T> slope, difference, half; // half: resized along one axis
};

/// Explains a detector's scores. Const, and for any number of threads, each with a workspace of its own. An explanation
/// takes a few times as long as a score.
template <class T = float>
class Explainer {
  public:
    using Workspace = ExplainerWorkspace<T>;

    /// @throws ValueError when the score policy has no derivative (of a ConformalSum: use its `sum`)
    explicit Explainer(Detector<T> detector) : detector_(std::move(detector)), attribution_(detector_.scorer()) {
        if (std::holds_alternative<ConformalSum>(detector_.trained().score_policy))
            throw ValueError("Explainer: the score policy is a ConformalSum, a step function without derivative; use "
                             "its StandardizedSum");
    }

    const Detector<T>& detector() const { return detector_; }

    Workspace workspace() const { return {detector_.workspace(), attribution_.workspace(), {}, {}, {}, {}, {}, {}}; }

    /// Allocates nothing once workspace and explanation have seen a picture of this size and kind.
    /// @throws as Detector::score does
    template <class Sample>
    void explain(const Sample& sample, Workspace& w, Explanation<T>& out) const {
        const Batch<T> x = detector_.prepare(sample, w.detection);
        w.slope.resize(x.size());
        attribution_.attribute(x, 0, detector_.trained().score_policy, w.attribution, std::span(w.slope));
        out.verdict = detector_.verdict(detector_.scorer().statistics(x, 0, w.detection.scoring));
        out.sample_shape = out.map_shape = x.shape();
        const auto fed = reserve(out.sample, x.shape()), back = reserve(out.reconstruction, x.shape());
        // dL/dy = 2 (y - x) / M holds what the network gave back
        const T half = static_cast<T>(x.size()) / 2;
        const std::size_t channels = x.shape(3);
        w.difference.assign(x.size() / channels, T{0});
        for (std::size_t i = 0; i < x.size(); ++i) {
            const T difference = w.detection.scoring.dy.data()[i] * half;
            fed.data()[i] = x.data()[i];
            back.data()[i] = x.data()[i] + difference;
            w.difference[i / channels] += difference * difference / static_cast<T>(channels);
        }
        maps(sample, w, out);
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
        const auto residual = reserve(out.residual, {1, 1, 1, w.slope.size()});
        const auto attribution = reserve(out.attribution, out.map_shape);
        for (std::size_t i = 0; i < w.slope.size(); ++i) {
            const T difference = out.reconstruction.data()[i] - out.sample.data()[i];
            residual.data()[i] = difference * difference;
            attribution.data()[i] = w.slope[i];
        }
    }

    Detector<T> detector_;
    Attribution<typename TrainedModel<T>::Model, T> attribution_;
};

template <class T>
Explainer(Detector<T>) -> Explainer<T>;

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
