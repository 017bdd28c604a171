#pragma once

#include "options.hpp"

#include <gradcon/data/cifar10.hpp>
#include <gradcon/data/idx.hpp>
#include <gradcon/data/protocol.hpp>
#include <gradcon/data/resize.hpp>
#include <gradcon/gradcon.hpp>
#include <gradcon/io/model_file.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

using Images = gradcon::Tensor<float, 4>; // N x 28 x 28 x channels, values in [0, 1]
using Detector = gradcon::io::Detector<float>;
using Model = Detector::Model;

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

/// What an experiment trains on and is tested with.
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

    gradcon::data::Split split(const Experiment& e, double outlier_ratio = 0.5) {
        gradcon::Rng rng(e.seed);
        const auto& parts = read(e.set);
        if (e.set == "fmnist")
            return gradcon::data::fashion_mnist_split(parts.train.labels, e.inlier, outlier_ratio, rng);
        return gradcon::data::official_split(parts.train.labels, parts.test.labels, e.inlier, rng);
    }

    Data data(const Experiment& e, double outlier_ratio = 0.5) {
        auto s = split(e, outlier_ratio);
        const auto& parts = read(e.set);
        const auto cut = [&](std::vector<std::size_t>& indices) {
            indices.resize(std::min(indices.size(), options_.most_images));
        };
        cut(s.train);
        cut(s.validation);
        if (s.test.size() > options_.most_images) { // inliers come first, outliers last: from both ends
            const auto half = static_cast<std::ptrdiff_t>(options_.most_images / 2);
            s.test.erase(s.test.begin() + half, s.test.end() - half);
            s.anomalous.erase(s.anomalous.begin() + half, s.anomalous.end() - half);
        }
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

/// The paper's networks as one type.
inline Model make_model(const Experiment& e, std::size_t channels) {
    const auto chain = [](const auto& sequential) {
        return std::apply([](const auto&... layer) { return gradcon::Chain{{layer...}}; }, sequential.layers());
    };
    const auto convert = [&](const auto& model) {
        return Model{chain(model.encoder), chain(model.decoder), model.latent};
    };
    if (e.variational) return convert(gradcon::models::paper_vae(channels));
    return convert(gradcon::models::paper_cae(channels));
}
