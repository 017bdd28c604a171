#pragma once

#include "options.hpp"

#include <gradcon/detector/training_set.hpp>

#include <functional>

/// Reads all of the options' inputs, as the network takes them, and splits them (gradcon/detector/training_set.hpp).
/// @param on_sample called before each, and may throw to stop
/// @throws BadUse for a size that is none, gradcon::FileError for bad data or fewer than 20 samples
gradcon::TrainingSet<float> read_training_set(const Options& options, const std::function<void()>& on_sample);
