#pragma once

#include "sample.hpp"

#include <gradcon/detector/explainer.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using Explained = gradcon::Explanation<float>;

/// What the panels of a sheet are, from left to right.
constexpr const char* sheet_reading = "the picture, its reconstruction, where they differ, and what raises the score "
                                      "(red: brighter pixels do, blue: darker ones)";

/// These four panels side by side. A panel's longer side has `least` pixels or nearly so when the picture is smaller,
/// and `most` at most.
Picture explanation_sheet(const Picture& picture, const Explained& explained, const gradcon::ImageInput& input,
                          std::size_t least = 256, std::size_t most = SIZE_MAX);

/// A number of a table's sample.
struct ExplainedNumber {
    std::string column;
    double value, given_back, error, attribution; // error: squared, of what is standardised
};

/// Those of a sample, the largest error first.
std::vector<ExplainedNumber> explained_numbers(const Sample& sample, const Explained& explained,
                                               const gradcon::TableInput& table);
