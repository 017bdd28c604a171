#include "model.hpp"

#include <gradcon/io/detector_file.hpp>
#include <gradcon/io/inspector_file.hpp>

using gradcon::FileError;
using gradcon::message;

bool is_local(const std::string& file) {
    const auto metadata = gradcon::io::read_safetensors(file).metadata();
    const auto format = metadata.find("format");
    return format != metadata.end() && format->second == "gradcon-inspector";
}

Inspector load_inspector(const Options& options) {
    const auto header = gradcon::io::read_inspector_header(options.model);
    std::string network = options.network;
    if (const auto note = header.notes.find("network"); network.empty() && note != header.notes.end())
        network = note->second;
    try {
        return gradcon::io::load_inspector(options.model, Features::from(header.features, network));
    } catch (const FileError&) { throw; } catch (const gradcon::Error& error) {
        throw FileError(message(options.model, ": ", error.what(), " (--network names another place)"));
    }
}

Model load_model(const Options& options) {
    const auto load = [&]() -> Model {
        if (!is_local(options.model))
            return {gradcon::io::load(options.model,
                                      {.threshold = options.threshold, .false_alarm_rate = options.false_alarm_rate})};
        const Inspector inspector = load_inspector(options);
        gradcon::Calibration pictures = inspector.calibration(), regions = inspector.model().regions;
        if (options.threshold) pictures = pictures.with_threshold(*options.threshold);
        if (options.false_alarm_rate) {
            pictures = pictures.with_false_alarm_rate(*options.false_alarm_rate);
            regions = regions.with_false_alarm_rate(*options.false_alarm_rate);
        }
        return {inspector.with(std::move(pictures), std::move(regions))};
    };
    Model model = load();
    if (const auto& rate = options.false_alarm_rate;
        rate && model.calibration().size() < gradcon::samples_needed(*rate))
        throw FileError(message(options.model, ": a false-alarm rate of ", *rate, " needs a calibration on ",
                                gradcon::samples_needed(*rate), " normal samples; this one had ",
                                model.calibration().size()));
    return model;
}

InputOptions input_options(const Options& options, const Model& model) {
    InputOptions input = options.input;
    if (const auto* table = model.table()) {
        input.window = table->window;
        input.stride = table->stride;
    }
    return input;
}

void check_input(const Model& model, const Source& source, const std::string& input) {
    const auto* table = model.table();
    if (table == nullptr && source.width() > 0) throw FileError(input + ": the model is for pictures, this is a table");
    if (table != nullptr && source.width() == 0)
        throw FileError(input + ": the model is for tables, these are pictures");
    if (table == nullptr) return;
    if (source.width() != table->width())
        throw FileError(message(input, ": the model is for tables of ", table->width(),
                                " columns of numbers, this one has ", source.width(),
                                " (is one of them a label? see --label-column)"));
    const auto columns = source.columns();
    for (std::size_t k = 0; !columns.empty() && k < table->columns.size(); ++k)
        if (columns[k] != table->columns[k])
            throw FileError(message(input, ": column ", k + 1, " is called ", columns[k], ", that of the model ",
                                    table->columns[k]));
}
