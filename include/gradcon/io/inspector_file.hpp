#pragma once

#include "gradcon/inspection/inspector.hpp"
#include "gradcon/io/detector_file.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

// An inspector in one file, but for its feature extractor: what detector_file.hpp keeps of a model of rows, and
//     metadata format              "gradcon-inspector", format_version "2"
//     metadata features            the settings of the feature extractor, texts by name; none if it has none
//     metadata map                 {margin, smoothing, highest_share, average: 0 or 1, area_height, area_width}
//     map.area                     area_height * area_width numbers: not 0 where to look; missing: everywhere
//     features.mean                of each channel
//     features.scale               of each channel, or features.matrix: outputs x channels
//     metadata regions             {"false_alarm_rate"} and perhaps "threshold"; regions.normal_scores: ascending, F64
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

inline constexpr unsigned inspector_format_version = 2;

namespace detail {

inline FeatureSettings feature_settings(const ModelReader& reader) {
    if (!reader.has_metadata("features")) return {};
    return reader.object("features", [](const Description& d) { return d.texts(); });
}

/// @throws FileError that names the first setting that differs
inline void check_settings(const ModelReader& reader, const FeatureSettings& given) {
    const FeatureSettings trained = feature_settings(reader);
    const auto value = [](const FeatureSettings& settings, const std::string& name) {
        const auto found = settings.find(name);
        return found == settings.end() ? std::string("nothing") : message("\"", found->second, "\"");
    };
    for (const FeatureSettings& settings : {trained, given})
        for (const auto& entry : settings)
            if (const std::string a = value(trained, entry.first), b = value(given, entry.first); a != b)
                reader.refuse(
                    message("trained with features of another kind: ", entry.first, " is ", a, " there, ", b, " here"));
}

} // namespace detail

/// Keeps an inspector in one file, with a self-test. A file that was there is replaced at once or, on any error, not at
/// all.
/// @throws as save of a detector does
template <class Extractor>
void save(const Inspector<Extractor>& inspector, const std::filesystem::path& path) {
    const LocalModel& model = inspector.model();
    std::vector<TensorToWrite> tensors;
    std::map<std::string, std::string> metadata;
    const TrainedModel<float>& t = model.trained;
    detail::append_model(t.model, t.params, t.policy, t.profile, t.score_rule, tensors, metadata);
    detail::append_deployment(t, tensors, metadata);
    detail::append_calibration(model.regions, "regions", tensors, metadata);
    const auto list = [&](const char* name, std::span<const float> values) {
        tensors.push_back(to_pytorch(name, values));
    };
    list("features.mean", model.scaling.mean);
    const Area& area = model.map.area;
    const std::vector<float> inside(area.inside.begin(), area.inside.end());
    if (!area.empty()) list("map.area", inside);
    if (model.scaling.matrix.empty()) list("features.scale", model.scaling.scale);
    else list("features.matrix", model.scaling.matrix);
    metadata["format"] = "gradcon-inspector";
    metadata["format_version"] = std::to_string(inspector_format_version);
    metadata["map"] = to_json({Description()
                                   .with("margin", std::uint64_t{model.map.margin})
                                   .with("smoothing", model.map.smoothing)
                                   .with("highest_share", model.map.highest_share)
                                   .with("average", std::uint64_t{model.map.average ? 1U : 0U})
                                   .with("area_height", std::uint64_t{area.height})
                                   .with("area_width", std::uint64_t{area.width})});
    if (const FeatureSettings settings = settings_of(inspector.extractor()); !settings.empty()) {
        Description features;
        for (const auto& [name, value] : settings) features.set(name, value);
        metadata["features"] = to_json({features});
    }
    add_checksum(metadata, tensors);
    replace_file(path, serialize_safetensors(tensors, metadata));
}

/// What a program needs to know before it can read an inspector: with the settings it makes the feature extractor
/// (Patches::from, OpenCvDnn::from).
struct InspectorHeader {
    FeatureSettings features; // none, where the extractor had none
    std::map<std::string, std::string> notes;
};

/// @throws FileError when the file is no inspector's or damaged
inline InspectorHeader read_inspector_header(const std::filesystem::path& path) {
    const detail::ModelReader reader(path, "gradcon-inspector", inspector_format_version);
    return {detail::feature_settings(reader), detail::read_notes(reader.file())};
}

/// Reads an inspector. @param extractor the one that it was trained with
/// @throws FileError that names what is wrong, also for an extractor of other settings and a failed self-test
template <FeatureExtractor Extractor>
Inspector<Extractor> load_inspector(const std::filesystem::path& path, Extractor extractor) {
    detail::ModelReader reader(path, "gradcon-inspector", inspector_format_version);
    detail::check_settings(reader, settings_of(extractor));
    auto trained = detail::read_trained<float>(reader);
    FeatureScaling scaling;
    scaling.mean = reader.list<float>("features.mean");
    if (reader.has_tensor("features.matrix")) {
        const auto matrix = reader.list<float>("features.matrix");
        scaling.matrix.assign(matrix.begin(), matrix.end());
    } else {
        scaling.scale = reader.list<float>("features.scale");
    }
    std::vector<float> inside;
    if (reader.has_tensor("map.area")) inside = reader.list<float>("map.area");
    Calibration regions = detail::read_calibration(reader, "regions");
    reader.refuse_unread();
    const auto map = reader.object("map", [&](Description& d) {
        MapOptions options{.margin = d.take_size("margin"),
                           .smoothing = d.take_number("smoothing"),
                           .highest_share = d.take_number("highest_share"),
                           .average = d.take_size("average") != 0};
        options.area.height = d.take_size("area_height");
        options.area.width = d.take_size("area_width");
        for (const float v : inside) options.area.inside.push_back(v != 0 ? 1 : 0);
        d.refuse_rest();
        return options;
    });
    trained = detail::make_detector(reader, std::move(trained)).trained(); // the self-test
    return reader.at("", [&] {
        return Inspector<Extractor>(std::move(extractor),
                                    {std::move(scaling), std::move(trained), map, std::move(regions)});
    });
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
