#pragma once

#include "gradcon/error.hpp"
#include "gradcon/random.hpp"
#include "gradcon/simd.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET::data {

/// Indices into a labelled set: images of one class to train on, and a test set with anomalies.
struct Split {
    std::vector<std::size_t> train, validation, test;
    std::vector<std::uint8_t> anomalous; // for each of `test`: 1 if it is of another class
};

/// The paper's protocol for Fashion-MNIST: of each class 60 % for training, 20 % for validation and 20 % for testing,
/// at random; the test set is the inlier class's and as many images from the other classes' test parts as make the
/// outlier ratio.
/// @param outlier_ratio in (0, 1): anomalies in the test set (the paper: 0.1 to 0.5)
/// @throws ValueError when the ratio is out of range, or there are too few images of the inlier class or of the others
inline Split fashion_mnist_split(std::span<const std::uint8_t> labels, std::uint8_t inlier, double outlier_ratio,
                                 Rng& rng) {
    if (!(outlier_ratio > 0 && outlier_ratio < 1))
        throw ValueError(message("the outlier ratio lies between 0 and 1; given: ", outlier_ratio));
    std::vector<std::vector<std::size_t>> classes(256);
    for (std::size_t i = 0; i < labels.size(); ++i) classes[labels[i]].push_back(i);
    Split split;
    std::vector<std::size_t> others;
    for (std::size_t label = 0; label < classes.size(); ++label) {
        auto& members = classes[label];
        shuffle(std::span(members), rng);
        const auto at = [&](std::size_t tenths) {
            return members.begin() + static_cast<std::ptrdiff_t>(members.size() * tenths / 10);
        };
        if (label == inlier) {
            split.train.assign(at(0), at(6));
            split.validation.assign(at(6), at(8));
            split.test.assign(at(8), at(10));
        } else {
            others.insert(others.end(), at(8), at(10));
        }
    }
    const auto outliers = static_cast<std::size_t>(
        std::lround(static_cast<double>(split.test.size()) * outlier_ratio / (1 - outlier_ratio)));
    if (split.train.empty() || split.validation.empty() || outliers == 0 || outliers > others.size())
        throw ValueError(message("class ", int{inlier}, " has ", classes[inlier].size(),
                                 " images, the test parts of the others ", others.size(),
                                 ": too few for an outlier ratio of ", outlier_ratio));
    split.anomalous.assign(split.test.size(), 0);
    shuffle(std::span(others), rng);
    split.test.insert(split.test.end(), others.begin(), others.begin() + static_cast<std::ptrdiff_t>(outliers));
    split.anomalous.resize(split.test.size(), 1);
    return split;
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::data
