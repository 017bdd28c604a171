#pragma once

#include "gradcon/detector/detector.hpp"
#include "gradcon/io/checksum.hpp"
#include "gradcon/io/deployment.hpp"
#include "gradcon/io/model_file.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Model files whose network the file describes: of any size, made of the shipped layers, with a policy that watches the
// decoder. See model_file.hpp and deployment.hpp for what is in them.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

namespace detail {
template <class T>
TrainedModel<T> read_trained(ModelReader& reader) {
    const Autoencoder model{read_chain(reader, "encoder", "down."), read_chain(reader, "decoder", "up."),
                            read_latent(reader)};
    Rng rng;
    auto params = model.template init<T>(rng);
    reader.parameters("", params);
    auto policy = read_policy(reader, params.decoder);
    auto [profile, score_rule] = read_scoring<T>(reader, policy, params.decoder);
    Input input = read_input(reader);
    Calibration calibration = read_calibration(reader);
    check_self_test(reader, input);
    return {model,
            std::move(params),
            std::move(policy),
            std::move(profile),
            std::move(score_rule),
            std::move(input),
            std::move(calibration),
            read_notes(reader.file())};
}

/// The lowest version that has what is in the model, so that older readers take what they can: 3 with an input, a
/// calibration or notes; 2 with a Gaussian latent, a profile or a score rule other than the paper's; else 1.
template <class T>
unsigned version_needed(const TrainedModel<T>& t) {
    const bool calibrated = !t.calibration.empty() || t.calibration.own_threshold();
    if (!std::holds_alternative<std::monostate>(t.input) || calibrated || !t.notes.empty()) return 3;
    return network_version_needed(t.model, t.profile, t.score_rule);
}

/// A detector that has passed the file's self-test.
template <class T>
Detector<T> make_detector(const ModelReader& reader, TrainedModel<T> trained) {
    return reader.at("", [&] {
        Detector<T> detector(std::move(trained));
        run_self_test(reader.file(), detector);
        return detector;
    });
}
} // namespace detail

/// Keeps a trained model in one file, with all that belongs to it and, if its input is known, a self-test. A file that
/// was there is replaced at once or, on any error, not at all.
/// @throws as save_model does; ValueError and ShapeError also when the input does not fit the network
template <class T>
void save(const TrainedModel<T>& trained, const std::filesystem::path& path) {
    std::vector<TensorToWrite> tensors;
    std::map<std::string, std::string> metadata;
    detail::append_model(trained.model, trained.params, trained.policy, trained.profile, trained.score_rule, tensors,
                         metadata);
    detail::append_deployment(trained, tensors, metadata);
    metadata["format_version"] = std::to_string(detail::version_needed(trained));
    add_checksum(metadata, tensors);
    replace_file(path, serialize_safetensors(tensors, metadata));
}

/// The same for a detector.
template <class T>
void save(const Detector<T>& detector, const std::filesystem::path& path) {
    save(detector.trained(), path);
}

/// Reads a model file of any version as a value. One with an input passes its own self-test first.
/// @throws FileError that names what is wrong
template <class T = float>
TrainedModel<T> load_trained(const std::filesystem::path& path) {
    detail::ModelReader reader(path, "gradcon", model_format_version);
    auto trained = detail::read_trained<T>(reader);
    reader.refuse_unread();
    if (std::holds_alternative<std::monostate>(trained.input)) return trained;
    return detail::make_detector(reader, std::move(trained)).trained();
}

/// What `load` takes instead of the file's: its input, its calibration, or the threshold or the false-alarm rate of its
/// calibration (one of the two).
struct LoadOverrides {
    std::optional<Input> input{};
    std::optional<Calibration> calibration{};
    std::optional<double> threshold{}, false_alarm_rate{};
};

/// Reads a model file as a detector that is ready to score.
/// @throws FileError that names what is wrong, also for a failed self-test, or a file without an input (versions 1 and
/// 2) where the overrides have none either; ValueError for overrides out of range
template <class T = float>
Detector<T> load(const std::filesystem::path& path, const LoadOverrides& overrides = {}) {
    if (overrides.threshold && overrides.false_alarm_rate)
        throw ValueError("load: a threshold or a false-alarm rate can be given, not both");
    if (overrides.input) sample_shape(*overrides.input); // checks it
    detail::ModelReader reader(path, "gradcon", model_format_version);
    auto trained = detail::read_trained<T>(reader);
    reader.refuse_unread();
    if (overrides.input) trained.input = *overrides.input;
    if (overrides.calibration) trained.calibration = *overrides.calibration;
    if (overrides.false_alarm_rate && trained.calibration.empty())
        throw ValueError(path.string() + ": the model is not calibrated, so a false-alarm rate gives no threshold");
    if (overrides.threshold) trained.calibration = trained.calibration.with_threshold(*overrides.threshold);
    if (overrides.false_alarm_rate)
        trained.calibration = trained.calibration.with_false_alarm_rate(*overrides.false_alarm_rate);
    return detail::make_detector(reader, std::move(trained));
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
