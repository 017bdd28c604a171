#pragma once

#include "features.hpp"
#include "options.hpp"

#include <gradcon/detector/detector.hpp>
#include <gradcon/inspection/inspector.hpp>

#include <string>
#include <variant>

using Detector = gradcon::Detector<float>;
using Inspector = gradcon::Inspector<Features>;

/// What a model file holds: an autoencoder of whole samples, or one of the locations of a picture.
class Model {
  public:
    Model(std::variant<Detector, Inspector> of) : of_(std::move(of)) {}

    /// nullptr when it is of the other kind
    const Detector* whole() const { return std::get_if<Detector>(&of_); }
    const Inspector* local() const { return std::get_if<Inspector>(&of_); }

    const gradcon::TrainedModel<float>& trained() const {
        return whole() != nullptr ? whole()->trained() : local()->model().trained;
    }
    const gradcon::Calibration& calibration() const { return trained().calibration; }
    /// nullptr for a model of pictures
    const gradcon::TableInput* table() const {
        return whole() != nullptr ? std::get_if<gradcon::TableInput>(&trained().input) : nullptr;
    }

  private:
    std::variant<Detector, Inspector> of_;
};

/// The model file, with the threshold or the rate that the options give instead of its own.
/// @throws gradcon::FileError also when the rate needs more calibration scores, or the network is not to be had
Model load_model(const Options& options);

/// Does the file hold a local model? @throws gradcon::FileError when it is no model file
bool is_local(const std::string& file);

/// The network that a local model's file names, or that the options name.
Inspector load_inspector(const Options& options);

/// Input options as this model's tables need them: its window and stride.
InputOptions input_options(const Options& options, const Model& model);

/// Does the model take such samples? @throws gradcon::FileError when the input is of the other kind, or its columns are
/// others than the model's
void check_input(const Model& model, const Source& source, const std::string& input);
