#pragma once

#include "options.hpp"

#include <gradcon/core/tensor.hpp>
#include <gradcon/detector/trained_model.hpp>

#include <functional>

/// Normal samples as the network takes them. Of all that the input has, 70 % train, 15 % choose the best epoch and fit
/// the score, and 15 % calibrate: these must be samples that nothing was fitted to.
struct TrainingSet {
    using Samples = gradcon::Tensor<float, 4>;

    gradcon::Input input;
    gradcon::Shape shape{}; // of one sample
    Samples train, validation, calibration;
};

/// Reads all of the options' inputs and splits them, at random from the seed; windows of a time series stay in order,
/// since neighbours share rows.
/// @param on_sample called before each, and may throw to stop
/// @throws BadUse for a size that is none, gradcon::FileError for bad data or fewer than 20 samples
TrainingSet read_training_set(const Options& options, const std::function<void()>& on_sample);
