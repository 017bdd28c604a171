#pragma once

#include <gradcon/features/feature_map.hpp>
#include <gradcon/features/patches.hpp>

#ifdef GRADCON_OPENCV_DNN
#include <gradcon/features/opencv_dnn.hpp>
#endif

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#ifdef GRADCON_OPENCV_DNN
using Network = gradcon::OpenCvDnn;
#else
/// Where the command was built without OpenCV there are no networks.
struct Network {
    struct Workspace {};
    std::span<const gradcon::FeatureMapView> operator()(const gradcon::ImageView<std::uint8_t>&, Workspace&) const {
        return {};
    }
    gradcon::FeatureSettings settings() const { return {}; }
};
#endif

/// What a local model sees of a picture: patches of pixels, or maps of a network's layers.
class Features {
  public:
    struct Workspace {
        gradcon::Patches::Workspace patches;
        Network::Workspace network;
    };

    Features(std::variant<gradcon::Patches, Network> of) : of_(std::move(of)) {}
    /// As a model file tells. @param network the network's file, if there is one
    /// @throws gradcon::ValueError when the network cannot be read, or this build has none
    static Features from(const gradcon::FeatureSettings& settings, const std::string& network);

    std::span<const gradcon::FeatureMapView> operator()(const gradcon::ImageView<std::uint8_t>& picture,
                                                        Workspace& w) const {
        if (const auto* patches = std::get_if<gradcon::Patches>(&of_)) return (*patches)(picture, w.patches);
        return std::get<Network>(of_)(picture, w.network);
    }
    gradcon::FeatureSettings settings() const {
        return std::visit([](const auto& of) { return of.settings(); }, of_);
    }
    bool are_patches() const { return std::holds_alternative<gradcon::Patches>(of_); }

  private:
    std::variant<gradcon::Patches, Network> of_;
};
