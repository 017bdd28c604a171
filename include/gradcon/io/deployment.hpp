#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/finite.hpp"
#include "gradcon/core/random.hpp"
#include "gradcon/detector/detector.hpp"
#include "gradcon/io/model_reader.hpp"
#include "gradcon/io/parameters.hpp"
#include "gradcon/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// What makes a detector of a trained network, in a model file (format version 3):
//     metadata input              {"type": "image", height, width, order, offset, scale}
//                                 or {"type": "table", window, stride, columns}
//     input.means, .deviations    of a table's columns, F64
//     metadata calibration        {"false_alarm_rate"} and, if one was set by hand, "threshold"
//     calibration.normal_scores   ascending, F64
//     metadata note.*             how the model came about, for people
//     self_test.samples           two samples as the network takes them, 2 x height x width x channels
//     self_test.scores            what they score: by the paper's rule, then by the model's; 2 x 2, F64
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io::detail {

inline constexpr std::array<const char*, 3> order_names{"gray", "rgb", "bgr"};
inline constexpr std::string_view note_prefix = "note.";

/// The score rules are continuous in what they look at, but for this one: the self-test looks at its sum.
inline double continuous_score(const AnyScoreRule& rule, const Statistics& s) {
    const auto* conformal = std::get_if<ConformalSum>(&rule);
    return conformal ? conformal->sum(s) : rule(s);
}

/// Two samples made of noise, and what they score.
template <class T>
struct SelfTest {
    Tensor<T, 4> samples;
    std::vector<double> scores;

    explicit SelfTest(const Shape& sample) {
        samples.resize({2, sample[1], sample[2], sample[3]});
        scores.resize(4);
    }

    static SelfTest make(const Detector<T>& detector) {
        SelfTest test(detector.shape());
        Rng rng(20200707);
        const auto* image = std::get_if<ImageInput>(&detector.trained().input);
        for (auto& value : test.samples)
            value = image ? static_cast<T>(image->offset + image->scale * uniform(rng, 0, 1))
                          : static_cast<T>(standard_normal(rng));
        test.scores = test.run(detector);
        return test;
    }
    std::vector<double> run(const Detector<T>& detector) const {
        std::vector<double> found;
        auto w = detector.workspace();
        for (std::size_t i = 0; i < 2; ++i) {
            const Statistics s = detector.scorer().statistics(Batch<T>(samples), i, w.scoring);
            found.push_back(s.score());
            found.push_back(continuous_score(detector.trained().score_rule, s));
        }
        return found;
    }
};

/// Adds a calibration, if it is one, as metadata `name` and the tensor `name`.normal_scores.
inline void append_calibration(const Calibration& c, const std::string& name, std::vector<TensorToWrite>& tensors,
                               std::map<std::string, std::string>& metadata) {
    if (c.empty() && !c.own_threshold()) return;
    auto description = Description().with("false_alarm_rate", c.false_alarm_rate());
    if (const auto threshold = c.own_threshold()) description.set("threshold", *threshold);
    metadata[name] = to_json({description});
    tensors.push_back(to_pytorch(name + ".normal_scores", std::span<const double>(c.normal_scores())));
}

/// Adds what there is. @throws ValueError when it is out of range or not finite
template <class T>
void append_deployment(const TrainedModel<T>& trained, std::vector<TensorToWrite>& tensors,
                       std::map<std::string, std::string>& metadata) {
    const auto list = [&](const char* name, std::span<const double> values) {
        tensors.push_back(to_pytorch(name, values));
    };
    for (const auto& [key, text] : trained.notes) metadata[std::string(note_prefix) + key] = text;
    append_calibration(trained.calibration, "calibration", tensors, metadata);
    if (std::holds_alternative<std::monostate>(trained.input)) return;
    const Detector<T> detector(trained); // checks the input
    if (const auto* image = std::get_if<ImageInput>(&trained.input)) {
        metadata["input"] = to_json({Description()
                                         .with("type", "image")
                                         .with("height", image->height)
                                         .with("width", image->width)
                                         .with("order", order_names[static_cast<std::size_t>(image->order)])
                                         .with("offset", image->offset)
                                         .with("scale", image->scale)});
    } else if (const auto* table = std::get_if<TableInput>(&trained.input)) {
        auto description =
            Description().with("type", "table").with("window", table->window).with("stride", table->stride);
        if (!table->columns.empty()) description.set("columns", table->columns);
        metadata["input"] = to_json({description});
        list("input.means", table->means);
        list("input.deviations", table->deviations);
    }
    const auto test = SelfTest<T>::make(detector);
    const auto bytes = [](const auto& values) {
        const auto all = std::as_bytes(std::span(values.data(), values.size()));
        return std::vector<std::byte>(all.begin(), all.end());
    };
    for (const double score : test.scores)
        if (!is_finite(score)) throw ValueError(message("the model scores noise with ", score, " and is not saved"));
    const Shape shape = detector.shape();
    tensors.push_back({"self_test.samples", dtype_of<T>(), {2, shape[1], shape[2], shape[3]}, bytes(test.samples)});
    tensors.push_back({"self_test.scores", DType::f64, {2, 2}, bytes(test.scores)});
}

/// What the file says of the input; unknown if it says nothing.
inline Input read_input(ModelReader& reader) {
    if (!reader.has_metadata("input")) return {};
    return reader.object("input", [&](Description& d) -> Input {
        const auto type = d.take<std::string>("type");
        if (type == "image") {
            const ImageInput image{d.take_size("height"), d.take_size("width"),
                                   static_cast<PixelOrder>(d.take_name("order", order_names)), d.take_number("offset"),
                                   d.take_number("scale")};
            d.refuse_rest();
            image.check();
            return image;
        }
        if (type != "table") throw ValueError("cannot be of type " + type);
        TableInput table{reader.list<double>("input.means"),
                         reader.list<double>("input.deviations"),
                         {},
                         d.take_size("window"),
                         d.take_size("stride")};
        if (!d.empty()) table.columns = d.take<std::vector<std::string>>("columns");
        d.refuse_rest();
        table.check();
        return table;
    });
}

/// The calibration of that name; empty if the file has none.
inline Calibration read_calibration(ModelReader& reader, const std::string& name = "calibration") {
    if (!reader.has_metadata(name)) return {};
    return reader.object(name, [&](Description& d) {
        auto scores = reader.list<double>(name + ".normal_scores");
        const double rate = d.take_number("false_alarm_rate");
        if (scores.empty() && d.empty()) throw ValueError("needs normal scores or a threshold");
        if (!std::ranges::is_sorted(scores)) throw ValueError(name + ".normal_scores must ascend");
        Calibration calibration =
            scores.empty() ? Calibration().with_false_alarm_rate(rate) : Calibration(std::move(scores), rate);
        if (!d.empty()) calibration = calibration.with_threshold(d.take_number("threshold"));
        d.refuse_rest();
        return calibration;
    });
}

inline std::map<std::string, std::string> read_notes(const Safetensors& file) {
    std::map<std::string, std::string> notes;
    for (const auto& [key, text] : file.metadata())
        if (key.starts_with(note_prefix)) notes.emplace(key.substr(note_prefix.size()), text);
    return notes;
}

/// A file that says what the model is fed with has a self-test with such samples.
/// @throws FileError when it is missing or of other shapes
inline void check_self_test(ModelReader& reader, const Input& input) {
    if (std::holds_alternative<std::monostate>(input)) return;
    const Shape sample = sample_shape(input);
    reader.expect("self_test.samples", {2, sample[1], sample[2], sample[3]});
    reader.expect("self_test.scores", {2, 2});
}

/// Scores the file's self-test samples, if it has them, as it was done when the file was written. Other processors and
/// compilers round otherwise: 1e-4 of 1 + |score| is a hundred times what was seen.
/// @throws FileError for scores that differ by more
template <class T>
void run_self_test(const Safetensors& file, const Detector<T>& detector) {
    if (!file.find("self_test.samples")) return;
    const auto& extents = file.at("self_test.samples").shape;
    SelfTest<T> test({1, extents[1], extents[2], extents[3]}); // not the detector's shape: that may be overridden
    const auto values = file.values<T>("self_test.samples");
    std::ranges::copy(values, test.samples.begin());
    const auto stated = file.values<double>("self_test.scores"), found = test.run(detector);
    for (std::size_t i = 0; i < stated.size(); ++i) {
        const double difference = std::abs(found[i] - stated[i]);
        if (!is_finite(difference) || difference > 1e-4 * (1 + std::abs(stated[i])))
            throw FileError(message(file.path(), ": the self-test failed: sample ", i / 2, " scored ", stated[i],
                                    " where the model was saved, and scores ", found[i], " here"));
    }
}

} // namespace io::detail
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
