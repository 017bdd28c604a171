#pragma once

#include "gradcon/core/executor.hpp"
#include "gradcon/core/random.hpp"
#include "gradcon/detector/learn.hpp"
#include "gradcon/inspection/inspector.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// How to learn an Inspector.
struct LearnLocalOptions {
    MapOptions map{};
    FeatureScalingOptions scaling{};
    /// The layers of the autoencoder's encoder, see models::mlp; empty: local_widths.
    std::vector<std::size_t> widths{};
    std::size_t epochs = 25;        // 1 or more; the one with the least held-out loss is kept
    std::size_t locations = 60'000; // that training draws from all training pictures; 1,000 or more
    double learning_rate = 1e-3;    // of Adam, above 0
    GradConOptions constraint{};    // alpha and beta
    /// Of pictures, and of pictures that show any region; in (0, 1). See usable_false_alarm_rate.
    std::optional<double> false_alarm_rate{};
    std::uint64_t seed = 0; // of the split, the locations, the first weights and their order
    /// Of a location's statistics; empty: the reconstruction error, its logarithm standardised on held-out locations.
    std::function<AnyScoreRule(const Scores& normal)> score_rule{};
    Executor* executor = nullptr;               // nullptr: all of the machine's processors
    std::map<std::string, std::string> notes{}; // kept with the model
};

/// What suits features of Patches: all directions in which normal patches vary count alike (whitening), and a flaw may
/// be as small as some three of 10,000 locations. docs/results/inspection.md has the figures.
inline LearnLocalOptions learn_options_for_patches() {
    LearnLocalOptions options;
    options.scaling.whiten = true;
    options.map.highest_share = 0.0003;
    return options;
}

/// Pictures by number: pictures[i] is an ImageView<P>, i from 0 to pictures.size() - 1. A std::vector is one. So is a
/// class of your own that reads a file when a picture is asked for. What the view shows must live until the next one is
/// asked for.
template <class S>
concept PictureSequence = requires(const S& pictures, std::size_t i) {
    { pictures.size() } -> std::convertible_to<std::size_t>;
    pictures[i].height;
    pictures[i].data;
};

/// The widths for locations of that many features: 5/4 of them, then less than a third.
inline std::vector<std::size_t> local_widths(std::size_t features) {
    return {std::max<std::size_t>(8, features * 5 / 4), std::max<std::size_t>(2, features * 5 / 16)};
}

/// Learns an Inspector from pictures of normal parts. 70 % of the pictures train the autoencoder, 15 % choose the epoch
/// and fit the score rule, 15 % calibrate the pictures' scores and the regions. Features are not kept: each picture
/// goes through the extractor once, and only the drawn locations are stored.
/// @param pictures 20 or more
/// @param on_epoch called as on_epoch(Epoch&) after each epoch
/// @throws ValueError for too few pictures, options out of their range, features that are not finite or never vary;
/// DivergenceError when training fails; whatever the extractor throws
template <FeatureExtractor Extractor, PictureSequence Pictures>
Inspector<Extractor> learn_local(Extractor extractor, const Pictures& pictures, const LearnLocalOptions& options = {},
                                 const OnEpoch& on_epoch = {}) {
    options.map.check();
    const std::size_t count = pictures.size();
    detail::check_sample_count(count);
    if (options.locations < 1000)
        throw ValueError(message("learn_local: 1,000 locations or more are needed; given: ", options.locations));
    Rng rng(options.seed);
    const Split split = split_samples(count, false, rng);
    const double false_alarm_rate = usable_false_alarm_rate(options.false_alarm_rate, split.calibration.size());

    // Draws `wanted` locations, as many of each picture, and keeps their features as the extractor gives them.
    InspectionWorkspace<Extractor> w;
    std::size_t channels = 0;
    const auto draw = [&](const std::vector<std::size_t>& part, std::size_t wanted) {
        AlignedVector<float> features;
        for (std::size_t k = 0, drawn = 0; k < part.size(); ++k) {
            const auto image = pictures[part[k]];
            const FeatureMapView grid = joined_features(extractor, options.map, image, w);
            const std::size_t margin = options.map.margin, width = grid.shape(1) - 2 * margin;
            options.map.area.locations(grid.shape(0), grid.shape(1), margin, w.area);
            if (channels == 0) channels = grid.shape(2);
            if (grid.shape(2) != channels)
                throw ShapeError(
                    message("picture ", part[k], " gave features of ", grid.shape(2), " channels, others ", channels));
            for (const std::size_t until = wanted * (k + 1) / part.size(); drawn < until; ++drawn) {
                const std::size_t at = w.area[random_index(rng, w.area.size())];
                const float* from =
                    grid.data() + ((at / width + margin) * grid.shape(1) + at % width + margin) * channels;
                features.insert(features.end(), from, from + channels);
            }
        }
        return features;
    };
    const AlignedVector<float> training = draw(split.training, options.locations),
                               validation = draw(split.validation, options.locations / 8);
    FeatureStatistics statistics(channels);
    for (std::size_t i = 0; i < training.size(); i += channels) statistics.add(training.data() + i);
    const FeatureScaler scaler(statistics.fit(options.scaling));

    const std::size_t outputs = scaler.outputs();
    const auto scaled = [&](const AlignedVector<float>& features) {
        Tensor<float, 4> locations;
        locations.resize({features.size() / channels, 1, 1, outputs});
        scaler.apply(features.data(), features.size() / channels, locations.data(), w.centred);
        return locations;
    };
    TrainingSet<float> set;
    set.input = TableInput{std::vector<double>(outputs, 0.0), std::vector<double>(outputs, 1.0)};
    set.training = scaled(training);
    set.validation = scaled(validation);
    LearnOptions learn_options{.widths = options.widths.empty() ? local_widths(outputs) : options.widths,
                               .epochs = options.epochs,
                               .learning_rate = options.learning_rate,
                               .constraint = options.constraint,
                               .seed = options.seed,
                               .executor = options.executor,
                               .notes = options.notes};
    learn_options.score_rule = options.score_rule ? options.score_rule : [](const Scores& normal) -> AnyScoreRule {
        constexpr std::array terms{Statistic::reconstruction_error};
        return StandardizedSum::fit(terms, normal);
    };
    Learning<float> learning(std::move(set), learn_options);
    learning.fit(on_epoch);
    TrainedModel<float> trained = learning.finish().trained(); // not calibrated: pictures are, below

    const Inspector<Extractor> raw(std::move(extractor), {scaler.scaling(), std::move(trained), options.map});
    auto workspace = raw.workspace();
    std::vector<double> scores, peaks;
    for (const std::size_t i : split.calibration) {
        const auto image = pictures[i];
        const Inspection inspection = raw.inspect(image, workspace);
        scores.push_back(inspection.score);
        peaks.push_back(std::ranges::max(inspection.map));
    }
    return raw.with(Calibration(std::move(scores), false_alarm_rate), Calibration(std::move(peaks), false_alarm_rate));
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
