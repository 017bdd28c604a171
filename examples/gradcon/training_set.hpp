#pragma once

#include "options.hpp"

#include <gradcon/detector/training_set.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

/// "64" or "48x64", as height and width. @throws BadUse for another text
std::pair<std::size_t, std::size_t> parse_size(const std::string& text);

/// Reads all of the options' inputs, as the network takes them, and splits them (gradcon/detector/training_set.hpp).
/// @param on_sample called before each, and may throw to stop
/// @throws BadUse for a size that is none, gradcon::FileError for bad data or fewer than 20 samples
gradcon::TrainingSet<float> read_training_set(const Options& options, const std::function<void()>& on_sample);
