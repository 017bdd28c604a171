#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/detector/trained_model.hpp"
#include "gradcon/features/feature_map.hpp"
#include "gradcon/features/feature_scaling.hpp"
#include "gradcon/features/grid.hpp"
#include "gradcon/inspection/area.hpp"
#include "gradcon/inspection/regions.hpp"
#include "gradcon/inspection/score_map.hpp"
#include "gradcon/scoring/location_scorer.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

// Local GradCon: a picture is a map of features, each location a sample, and a defect a few locations of many.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// How the scores of locations become the score of a picture and its regions.
struct MapOptions {
    /// Locations left out at each border: a network's padding makes them strange in every picture. 0 to 1000.
    std::size_t margin = 0;
    double smoothing = 1;        // deviation of a Gaussian, in locations; 0 to 100
    double highest_share = 0.01; // of the locations; the mean of their scores is the picture's. 0: the highest alone
    bool average = true;         // each feature map over 3 x 3 locations
    Area area{};                 // locations elsewhere are neither learned nor scored

    void check() const {
        if (margin > 1000 || !(smoothing >= 0 && smoothing <= 100) || !(highest_share >= 0 && highest_share <= 1))
            throw ValueError(
                message("MapOptions: margin is 0 to 1000, smoothing 0 to 100, highest_share 0 to 1; given: ", margin,
                        ", ", smoothing, " and ", highest_share));
        area.check();
    }
    friend bool operator==(const MapOptions&, const MapOptions&) = default;
};

/// All that learning leaves, beside the feature extractor.
struct LocalModel {
    FeatureScaling scaling;
    /// The autoencoder of locations, its references and profile, and the rule that makes a score of a location. Its
    /// calibration is of the scores of normal pictures.
    TrainedModel<float> trained;
    MapOptions map{};
    /// Of the largest scores in the maps of normal pictures: a region is where a map reaches its threshold.
    Calibration regions{};
};

/// What an Inspector says of one picture.
struct Inspection {
    double score = 0; // of the picture; higher is more anomalous. NaN where a feature is not finite
    double p_value = std::numeric_limits<double>::quiet_NaN(); // see Calibration::p_value; NaN when not calibrated
    bool anomalous = false;
    std::size_t height = 0, width = 0; // of the map
    /// The score of each location, and outside of MapOptions::area the least of them; in the workspace until it is used
    /// again.
    std::span<const double> map{};
    std::span<const Region> regions{}; // boxes in pixels of the picture; likewise
};

/// What inspecting writes; one for each thread, made by Inspector::workspace.
template <class Extractor>
struct InspectionWorkspace {
    typename Extractor::Workspace extraction;
    GridWorkspace grid;
    AlignedVector<float> features, centred; // as the autoencoder takes them
    LocationWorkspace<float> scoring;
    Scores scores;
    std::vector<double> map, storage, looked_at;
    std::vector<std::size_t> area; // the numbers of the locations that are looked at
    RegionWorkspace region;
    std::vector<Region> regions;
};

/// The maps that an extractor makes of a picture, as one grid, with the margin.
/// @throws ShapeError when no location lies inside the margin
template <class Extractor, Pixel P, class Workspace>
FeatureMapView joined_features(const Extractor& extractor, const MapOptions& options, const ImageView<P>& picture,
                               Workspace& w) {
    const std::span<const FeatureMapView> maps = extractor(picture, w.extraction);
    const FeatureMapView& size = maps[grid_map(maps)];
    if (std::min(size.shape(0), size.shape(1)) <= 2 * options.margin)
        throw ShapeError(message("a picture of ", picture.height, " x ", picture.width, " pixels gives a map of ",
                                 size.shape(0), " x ", size.shape(1),
                                 " locations, of which none lies inside a margin of ", options.margin));
    return join(maps, size.shape(0), size.shape(1), w.grid, options.average && maps.size() > 1);
}

/// Finds defects, and their places, in pictures: const from construction on, so that any number of threads may share
/// it, each with a workspace of its own. Nothing is allocated once a workspace has seen a picture of each size, if the
/// extractor allocates nothing.
///
/// Score of a location: the model's score rule of the statistics of LocationScorer, smoothed over the map. A picture is
/// anomalous when the mean of the highest scores reaches the calibration's threshold. A region is where the map reaches
/// the threshold of the largest scores of normal pictures, so a normal picture shows any region at most at the wanted
/// rate, however many locations a map has.
template <FeatureExtractor Extractor>
class Inspector {
  public:
    using Workspace = InspectionWorkspace<Extractor>;

    /// @throws ValueError when the score rule needs what the model cannot tell, ShapeError when scaling and network do
    /// not fit
    Inspector(Extractor extractor, LocalModel model)
        : extractor_(std::move(extractor)), model_(std::move(model)), smoothing_(model_.map.smoothing),
          scaler_(std::make_shared<const FeatureScaler>(model_.scaling)), scorer_(make_scorer()) {
        model_.map.check();
        if (model_.scaling.outputs() != scorer_->values())
            throw ShapeError(message("the network takes ", scorer_->values(),
                                     " features of a location, the scaling gives ", model_.scaling.outputs()));
        check(model_.trained.score_rule, scorer_->model().available());
    }

    const Extractor& extractor() const { return extractor_; }
    const LocalModel& model() const { return model_; }
    const Calibration& calibration() const { return model_.trained.calibration; }

    /// The same with other calibrations: of pictures' scores, and of the largest scores of their maps.
    Inspector with(Calibration pictures, Calibration regions) const {
        Inspector other(*this);
        other.model_.trained.calibration = std::move(pictures);
        other.model_.regions = std::move(regions);
        return other;
    }

    Workspace workspace() const {
        Workspace w;
        w.scoring = scorer_->workspace();
        return w;
    }

    /// Inspects one picture. Its bits do not depend on threads or other pictures.
    /// @throws ShapeError for a picture without pixels or too small for a location, features of another number of
    /// channels than the model was trained with, and whatever the extractor throws
    template <Pixel P>
    Inspection inspect(const ImageView<P>& picture, Workspace& w) const {
        const auto [height, width] = score_locations(picture, w);
        Inspection result{.height = height, .width = width, .map = w.map};
        result.score =
            mean_of_highest(model_.map.area.empty() ? w.map : w.looked_at, model_.map.highest_share, w.storage);
        const Calibration& pictures = calibration();
        if (!pictures.empty()) result.p_value = pictures.p_value(result.score);
        if (!pictures.empty() || pictures.own_threshold()) result.anomalous = pictures.is_anomalous(result.score);
        if (!model_.regions.empty() || model_.regions.own_threshold()) {
            find_regions(w.map, width, model_.regions.threshold(), w.region, w.regions);
            for (Region& region : w.regions) {
                if (!model_.regions.empty()) region.p_value = model_.regions.p_value(region.peak);
                to_pixels(region, picture.height, picture.width, height, width);
            }
            result.regions = w.regions;
        }
        return result;
    }

    /// The features of a picture's locations as the autoencoder takes them, without the margin: height * width *
    /// outputs() numbers in w.features.
    /// @return height and width of the map
    template <Pixel P>
    std::pair<std::size_t, std::size_t> prepare(const ImageView<P>& picture, Workspace& w) const {
        const std::size_t channels = model_.scaling.channels(), outputs = model_.scaling.outputs();
        const FeatureMapView grid = joined_features(extractor_, model_.map, picture, w);
        if (grid.shape(2) != channels)
            throw ShapeError(message("the feature extractor gave ", grid.shape(2),
                                     " channels, the model was trained with ", channels));
        const std::size_t margin = model_.map.margin;
        const std::size_t height = grid.shape(0) - 2 * margin, width = grid.shape(1) - 2 * margin;
        w.features.resize(height * width * outputs);
        for (std::size_t y = 0; y < height; ++y)
            scaler_->apply(grid.data() + ((y + margin) * grid.shape(1) + margin) * channels, width,
                           w.features.data() + y * width * outputs, w.centred);
        return {height, width};
    }

  private:
    std::shared_ptr<const LocationScorer<float>> make_scorer() const {
        const TrainedModel<float>& t = model_.trained;
        using Model = ScoringModel<TrainedModel<float>::Model, float>;
        return std::make_shared<const LocationScorer<float>>(
            t.profile.mean.empty() ? Model(t.model, t.params, t.policy) : Model(t.model, t.params, t.policy, t.profile),
            statistics_of(t.score_rule));
    }

    template <Pixel P>
    std::pair<std::size_t, std::size_t> score_locations(const ImageView<P>& picture, Workspace& w) const {
        const auto size = prepare(picture, w);
        scorer_->score(std::span<const float>(w.features), w.scoring, w.scores);
        w.map.resize(size.first * size.second);
        for (std::size_t i = 0; i < w.map.size(); ++i) {
            const Statistics statistics = std::as_const(w.scores)[i];
            w.map[i] = is_finite(statistics.reconstruction_error()) ? model_.trained.score_rule(statistics)
                                                                    : std::numeric_limits<double>::quiet_NaN();
        }
        smooth(size.first, size.second, w);
        return size;
    }

    /// Of an area, what lies elsewhere is made usual before, so that it does not reach inside, and the least after.
    void smooth(std::size_t height, std::size_t width, Workspace& w) const {
        if (model_.map.area.empty()) {
            smoothing_.apply(w.map, width, w.storage);
            return;
        }
        const std::size_t margin = model_.map.margin;
        model_.map.area.locations(height + 2 * margin, width + 2 * margin, margin, w.area);
        const auto take = [&] {
            w.looked_at.clear();
            for (const std::size_t i : w.area) w.looked_at.push_back(w.map[i]);
        };
        const auto fill_others = [&](double value) {
            w.map.assign(w.map.size(), value);
            for (std::size_t k = 0; k < w.area.size(); ++k) w.map[w.area[k]] = w.looked_at[k];
        };
        take();
        double mean = 0;
        for (const double score : w.looked_at) mean += score / static_cast<double>(w.looked_at.size());
        fill_others(mean);
        smoothing_.apply(w.map, width, w.storage);
        take();
        fill_others(std::ranges::min(w.looked_at));
    }

    /// A region of locations as one of pixels: all that a location stands for; the peak is the centre of its location.
    void to_pixels(Region& region, std::size_t picture_height, std::size_t picture_width, std::size_t height,
                   std::size_t width) const {
        const std::size_t margin = model_.map.margin, rows = height + 2 * margin, columns = width + 2 * margin;
        const auto first = [margin](std::size_t i, std::size_t pixels, std::size_t locations) {
            return (i + margin) * pixels / locations;
        };
        const auto end = [margin](std::size_t i, std::size_t pixels, std::size_t locations) {
            return ((i + margin) * pixels + locations - 1) / locations;
        };
        const auto centre = [margin](std::size_t i, std::size_t pixels, std::size_t locations) {
            return (2 * (i + margin) + 1) * pixels / (2 * locations);
        };
        const Box box = region.box;
        region.box = {first(box.left, picture_width, columns), first(box.top, picture_height, rows),
                      end(box.right, picture_width, columns), end(box.bottom, picture_height, rows)};
        region.peak_y = centre(region.peak_y, picture_height, rows);
        region.peak_x = centre(region.peak_x, picture_width, columns);
        region.area = region.area * picture_height * picture_width / (rows * columns);
    }

    Extractor extractor_;
    LocalModel model_;
    MapSmoothing smoothing_;
    std::shared_ptr<const FeatureScaler> scaler_; // copies share both
    std::shared_ptr<const LocationScorer<float>> scorer_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
