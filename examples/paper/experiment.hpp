#pragma once

#include "options.hpp"

#include "protocol.hpp"
#include <gradcon/data/cifar10.hpp>
#include <gradcon/data/idx.hpp>
#include <gradcon/image/resize.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

using Images = gradcon::Tensor<float, 4>; // N x 28 x 28 x channels, values in [0, 1]

/// One training: an image set, one of its classes as the normal one, a network, with or without the gradient term.
struct Experiment {
    std::string set; // fmnist, mnist or cifar10
    bool variational = false;
    bool gradient_term = true;
    std::uint8_t inlier = 0;
    std::uint64_t seed = 0;

    std::string network() const {
        return std::string(variational ? "vae" : "cae") + (gradient_term ? "+gradient" : "");
    }
    std::string name() const {
        return set + "/" + network() + "/class-" + std::to_string(inlier) + "-seed-" + std::to_string(seed);
    }
};

/// What an experiment trains on and is tested with; in the test set normal images come first.
struct Data {
    Images train, validation, test;
    std::vector<std::uint8_t> anomalous; // for each of test
};

/// The image sets, each read when it is first asked for, in the paper's protocols.
class ImageSets {
  public:
    explicit ImageSets(const Options& options) : options_(options) {}

    bool has(const std::string& set) const { return !folder(set).empty(); }

    /// The labelled images in 28 x 28; of Fashion-MNIST all 70,000 as `train`.
    const gradcon::data::OfficialParts& read(const std::string& set) {
        using namespace gradcon::data;
        const auto found = sets_.find(set);
        if (found != sets_.end()) return found->second;
        if (!has(set)) throw std::runtime_error(set + " is needed: give its folder with --" + set);
        OfficialParts parts;
        if (set == "fmnist") parts.train = read_idx_folder(folder(set));
        if (set == "mnist") parts = read_idx_split(folder(set));
        if (set == "cifar10") {
            parts = read_cifar10_folder(folder(set));
            for (LabelledImages* part : {&parts.train, &parts.test}) part->images = resize(part->images, 28, 28);
        }
        return sets_[set] = std::move(parts);
    }

    /// The protocol's split, of each part at most as many images as the options allow.
    paper::Split split(const Experiment& e, double outlier_ratio = 0.5) {
        gradcon::Rng rng(e.seed);
        const auto& parts = read(e.set);
        auto s = e.set == "fmnist" ? paper::fashion_mnist_split(parts.train.labels, e.inlier, outlier_ratio, rng)
                                   : paper::official_split(parts.train.labels, parts.test.labels, e.inlier, rng);
        const std::size_t most = options_.most_images;
        for (auto* indices : {&s.train, &s.validation}) indices->resize(std::min(indices->size(), most));
        if (s.test.size() > most) { // from the middle, so that the outlier ratio stays
            const auto anomalies = std::lround(static_cast<double>(most) * outlier_ratio);
            const auto normals = static_cast<std::ptrdiff_t>(most) - anomalies;
            s.test.erase(s.test.begin() + normals, s.test.end() - anomalies);
            s.anomalous.erase(s.anomalous.begin() + normals, s.anomalous.end() - anomalies);
        }
        return s;
    }

    Data data(const Experiment& e, double outlier_ratio = 0.5) {
        auto s = split(e, outlier_ratio);
        const auto& parts = read(e.set);
        const auto take = [](const gradcon::data::LabelledImages& from, const std::vector<std::size_t>& indices) {
            return gradcon::data::select<float>(from, indices);
        };
        return {take(parts.train, s.train), take(parts.train, s.validation),
                take(e.set == "fmnist" ? parts.train : parts.test, s.test), std::move(s.anomalous)};
    }

  private:
    const std::string& folder(const std::string& set) const {
        return set == "mnist" ? options_.mnist : set == "fmnist" ? options_.fmnist : options_.cifar10;
    }

    const Options& options_;
    std::map<std::string, gradcon::data::OfficialParts> sets_;
};

/// One for each seed and class, class by class.
inline std::vector<Experiment> experiments(const Options& options, const std::string& set, bool variational = false,
                                           bool gradient_term = true) {
    std::vector<Experiment> all;
    for (const std::uint64_t seed : options.seeds)
        for (const std::uint64_t inlier : options.classes)
            all.push_back({set, variational, gradient_term, static_cast<std::uint8_t>(inlier), seed});
    return all;
}
