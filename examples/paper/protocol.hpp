#pragma once

#include <gradcon/core/error.hpp>
#include <gradcon/core/random.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace paper {

using namespace gradcon;

/// Images of one class to train on, and a test set with anomalies: as indices into the labelled set that was split. Of
/// a set published in two parts, `train` and `validation` index the training part, `test` the test part.
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

/// The paper's protocol for CIFAR-10 and MNIST: the inlier class's images of the official training part, 10 % of them
/// (rounded up) for validation, at random; the test set is all images of the inlier class in the official test part, in
/// their order, and then as many from the other classes, drawn at random without repetition: an outlier ratio of 50 %.
/// @throws ValueError when there are too few images of the inlier class, 2 for training and 1 for testing, or of the
/// others
inline Split official_split(std::span<const std::uint8_t> train_labels, std::span<const std::uint8_t> test_labels,
                            std::uint8_t inlier, Rng& rng) {
    Split split;
    for (std::size_t i = 0; i < train_labels.size(); ++i)
        if (train_labels[i] == inlier) split.train.push_back(i);
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < test_labels.size(); ++i) (test_labels[i] == inlier ? split.test : others).push_back(i);
    const std::size_t inliers = split.test.size();
    if (split.train.size() < 2 || inliers == 0 || inliers > others.size())
        throw ValueError(message("class ", int{inlier}, " has ", split.train.size(), " images to train with and ",
                                 inliers, " to test with, the others ", others.size(),
                                 " to test with: too few for an outlier ratio of 0.5"));
    shuffle(std::span(split.train), rng);
    const auto cut = split.train.begin() + static_cast<std::ptrdiff_t>(split.train.size() * 9 / 10);
    split.validation.assign(cut, split.train.end());
    split.train.erase(cut, split.train.end());
    shuffle(std::span(others), rng);
    split.test.insert(split.test.end(), others.begin(), others.begin() + static_cast<std::ptrdiff_t>(inliers));
    split.anomalous.assign(inliers, 0);
    split.anomalous.resize(2 * inliers, 1);
    return split;
}

} // namespace paper
