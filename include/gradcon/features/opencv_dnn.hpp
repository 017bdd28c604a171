#pragma once

#include "gradcon/core/simd.hpp"
#include "gradcon/features/feature_map.hpp"
#include "gradcon/image/image_input.hpp"

#include <opencv2/dnn.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

// Feature maps by OpenCV's dnn module (Debian: libopencv-dnn-dev), which reads ONNX files. Link gradcon::opencv_dnn.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// How a picture becomes what a network takes: resized, its colours in `order`, and each number v in [0, 1] made
/// (v - mean) / deviation, one mean and deviation for each colour.
struct NetworkInput {
    std::size_t height = 0, width = 0;  // of what the network sees; 0: by longest_side
    std::size_t longest_side = 256;     // keeps the picture's proportions; used where height or width is 0
    PixelOrder order = PixelOrder::rgb; // rgb or bgr
    std::array<float, 3> mean{0, 0, 0}, deviation{1, 1, 1};

    friend bool operator==(const NetworkInput&, const NetworkInput&) = default;

    /// @throws ValueError for an option out of its range
    void check() const {
        const bool sized = (height > 0 && width > 0) || longest_side > 0;
        const bool divisible = std::ranges::none_of(deviation, [](float d) { return !(d > 0); });
        if (!sized || !divisible || channel_count(order) != 3)
            throw ValueError(
                "NetworkInput: height and width or longest_side are 1 or more, the order is rgb or bgr, and "
                "deviations are above 0");
    }
    FeatureSettings settings() const {
        const bool fixed = height > 0 && width > 0;
        const auto numbers = [](const std::array<float, 3>& v) { // as few digits as give the same float
            std::string text;
            std::array<char, 32> digits{};
            for (const float number : v)
                text.append(text.empty() ? "" : " ")
                    .append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
            return text;
        };
        return {{fixed ? "input size" : "longest side", fixed ? message(height, " ", width) : message(longest_side)},
                {"order", order == PixelOrder::rgb ? "rgb" : "bgr"},
                {"mean", numbers(mean)},
                {"deviation", numbers(deviation)}};
    }
    /// @throws ValueError for a setting that is missing or no number
    static NetworkInput from(const FeatureSettings& settings) {
        NetworkInput input;
        if (settings.contains("input size")) {
            const auto size = setting<std::size_t>(settings, "input size", 2);
            input.height = size[0];
            input.width = size[1];
        } else {
            input.longest_side = setting<std::size_t>(settings, "longest side", 1).front();
        }
        input.order = text_setting(settings, "order") == "bgr" ? PixelOrder::bgr : PixelOrder::rgb;
        std::ranges::copy(setting<float>(settings, "mean", 3), input.mean.begin());
        std::ranges::copy(setting<float>(settings, "deviation", 3), input.deviation.begin());
        return input;
    }
    /// The height and width that a picture of this size gets.
    std::array<std::size_t, 2> size_for(std::size_t picture_height, std::size_t picture_width) const {
        if (height > 0 && width > 0) return {height, width};
        const std::size_t longer = std::max(picture_height, picture_width);
        const auto scaled = [&](std::size_t side) {
            return std::max<std::size_t>(1, (side * longest_side + longer / 2) / longer);
        };
        return {scaled(picture_height), scaled(picture_width)};
    }
};

/// Layers of a network that OpenCV runs, as feature maps. Each workspace has a network of its own, so that threads do
/// not share one.
class OpenCvDnn {
  public:
    struct Workspace {
        cv::dnn::Net net;
        std::shared_ptr<const std::vector<char>> file; // of `net`
        ImageInputWorkspace<float> conversion;
        std::vector<float> pixels;
        std::vector<cv::Mat> outputs;
        std::vector<AlignedVector<float>> maps;
        std::vector<FeatureMapView> views;
    };

    /// @param onnx path of an ONNX file  @param layers names of outputs or layers of the network, one or more
    /// @throws ValueError when the file cannot be read or lacks a layer: the message has the names there are
    OpenCvDnn(const std::string& onnx, std::vector<std::string> layers, NetworkInput input = {})
        : layers_(std::move(layers)), input_(input) {
        input_.check();
        if (layers_.empty()) throw ValueError("OpenCvDnn: one layer or more is needed");
        std::ifstream file(onnx, std::ios::binary);
        if (!file) throw ValueError(message("OpenCvDnn: ", onnx, " cannot be opened"));
        model_ = std::make_shared<const std::vector<char>>(std::istreambuf_iterator<char>(file),
                                                           std::istreambuf_iterator<char>());
        const cv::dnn::Net net = read();
        const std::vector<std::string> names = net.getLayerNames();
        for (const std::string& layer : layers_)
            if (std::ranges::find(names, layer) == names.end())
                throw ValueError(message("OpenCvDnn: the network has no layer ", layer, "; it has ", listed(names)));
    }

    const std::vector<std::string>& layers() const { return layers_; }
    const NetworkInput& input() const { return input_; }
    /// The checksum of the network's file, the layers, and how pictures are prepared.
    FeatureSettings settings() const {
        std::uint64_t hash = 14695981039346656037U; // FNV-1a
        for (const char byte : *model_) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
        FeatureSettings all = input_.settings();
        all["features"] = "network";
        all["checksum"] = message(hash);
        for (std::size_t i = 0; i < layers_.size(); ++i) all[message("layer ", i + 1)] = layers_[i];
        return all;
    }
    /// The network of this file with the layers and the preparation that the settings tell.
    /// @throws ValueError for a setting that is missing or wrong, and as the constructor does
    static OpenCvDnn from(const std::string& onnx, const FeatureSettings& settings) {
        std::vector<std::string> layers;
        while (settings.contains(message("layer ", layers.size() + 1)))
            layers.push_back(settings.at(message("layer ", layers.size() + 1)));
        return OpenCvDnn(onnx, std::move(layers), NetworkInput::from(settings));
    }
    /// The bytes of the network's file.
    std::span<const char> file() const { return *model_; }

    /// @return one map for each layer  @throws ShapeError for a picture without pixels, ValueError with OpenCV's words
    /// when the network cannot take such a picture, or a layer is no map
    template <Pixel P>
    std::span<const FeatureMapView> operator()(const ImageView<P>& picture, Workspace& w) const {
        picture.check();
        if (w.file != model_) {
            w.net = read();
            w.file = model_;
        }
        const auto [height, width] = input_.size_for(picture.height, picture.width);
        w.pixels.resize(height * width * 3);
        convert(picture, {.height = height, .width = width, .order = input_.order}, w.conversion, w.pixels.data());
        const std::array extents{1, 3, static_cast<int>(height), static_cast<int>(width)};
        cv::Mat planes(4, extents.data(), CV_32F);
        float* to = planes.ptr<float>();
        for (std::size_t c = 0; c < 3; ++c)
            for (std::size_t i = 0; i < height * width; ++i)
                *to++ = (w.pixels[i * 3 + c] - input_.mean[c]) / input_.deviation[c];
        try {
            w.net.setInput(planes);
            w.net.forward(w.outputs, layers_);
        } catch (const cv::Exception& error) {
            throw ValueError(message("OpenCvDnn: the network cannot take a picture of ", height, " x ", width,
                                     " pixels: ", error.what()));
        }
        w.maps.resize(layers_.size());
        w.views.resize(layers_.size());
        for (std::size_t i = 0; i < layers_.size(); ++i)
            w.views[i] = channels_last(w.outputs[i], layers_[i], w.maps[i]);
        return w.views;
    }

  private:
    cv::dnn::Net read() const {
        try {
            return cv::dnn::readNetFromONNX(model_->data(), model_->size());
        } catch (const cv::Exception& error) {
            throw ValueError(message("OpenCvDnn: the file is no network that OpenCV reads: ", error.what()));
        }
    }

    static std::string listed(const std::vector<std::string>& names) {
        std::string text;
        for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
        return text;
    }

    static FeatureMapView channels_last(const cv::Mat& output, const std::string& layer, AlignedVector<float>& map) {
        if (output.dims != 4 || output.size[0] != 1 || output.type() != CV_32F)
            throw ValueError(message("OpenCvDnn: the output of layer ", layer, " is no map of floats"));
        const auto channels = static_cast<std::size_t>(output.size[1]),
                   height = static_cast<std::size_t>(output.size[2]), width = static_cast<std::size_t>(output.size[3]),
                   plane = height * width;
        map.resize(channels * plane);
        const float* from = output.ptr<float>();
        for (std::size_t i = 0; i < plane; ++i)
            for (std::size_t c = 0; c < channels; ++c) map[i * channels + c] = from[c * plane + i];
        return {map.data(), {height, width, channels}};
    }

    std::vector<std::string> layers_;
    NetworkInput input_;
    std::shared_ptr<const std::vector<char>> model_; // copies share it
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
