#pragma once

#include "gradcon/io/safetensors.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/sequential.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// The list of a network's layers as JSON, [{"type": "Conv2d", "in_channels": 1, ...}, ...], so that a model file tells
// which network its parameters belong to, and can be loaded without knowing.
namespace gradcon::inline GRADCON_INSTRUCTION_SET::io {

using Json = nlohmann::json;

inline Json describe(const Linear& l) {
    return {{"type", "Linear"}, {"in_features", l.in_features()}, {"out_features", l.out_features()}};
}
inline Json describe(const Conv2d& l) {
    const auto& o = l.options();
    return {{"type", "Conv2d"}, {"in_channels", l.in_channels()}, {"out_channels", l.out_channels()},
            {"kernel_size", o.kernel_size}, {"stride", o.stride}, {"padding", o.padding}};
}
inline Json describe(const ConvTranspose2d& l) {
    const auto& o = l.options();
    return {{"type", "ConvTranspose2d"}, {"in_channels", l.in_channels()}, {"out_channels", l.out_channels()},
            {"kernel_size", o.kernel_size}, {"stride", o.stride}, {"padding", o.padding}, {"output_padding", o.output_padding}};
}
inline Json describe(const ReLU&) { return {{"type", "ReLU"}}; }
inline Json describe(const LeakyReLU& l) { return {{"type", "LeakyReLU"}, {"negative_slope", l.negative_slope}}; }
inline Json describe(const Sigmoid&) { return {{"type", "Sigmoid"}}; }
inline Json describe(const Tanh&) { return {{"type", "Tanh"}}; }
inline Json describe(const Flatten&) { return {{"type", "Flatten"}}; }
inline Json describe(const Unflatten& l) {
    return {{"type", "Unflatten"}, {"height", l.height}, {"width", l.width}, {"channels", l.channels}};
}

/// A layer of the user's own; such a file loads only into a model that is given.
template <class L>
Json describe(const L&) { return {{"type", "own"}}; }

template <class... Layers>
Json describe(const Sequential<Layers...>& sequential) {
    Json list = Json::array();
    std::apply([&](const auto&... layer) { (list.push_back(describe(layer)), ...); }, sequential.layers());
    return list;
}
template <class... Layers>
Json describe(const ChainOf<Layers...>& chain) {
    Json list = Json::array();
    for (const auto& any : chain.layers()) std::visit([&](const auto& layer) { list.push_back(describe(layer)); }, any);
    return list;
}

namespace detail {
/// One layer's description: every key must be there, none besides, each of its type.
class LayerReader {
  public:
    LayerReader(const Safetensors& file, std::string place, const Json& json) : file_(file), place_(std::move(place)), json_(json) {
        if (!json.is_object() || !json.contains("type") || !json["type"].is_string()) fail("must be an object with a type");
    }

    Chain::AnyLayer read() {
        const std::string type = json_["type"];
        Chain::AnyLayer layer = ReLU{};
        if (type == "Linear") {
            const std::size_t in = size("in_features"), out = size("out_features");
            expect({out, in}, out);
            layer = Linear{in, out};
        } else if (type == "Conv2d") {
            const std::size_t in = size("in_channels"), out = size("out_channels"), k = size("kernel_size");
            expect({out, in, k, k}, out);
            layer = Conv2d{in, out, {.kernel_size = k, .stride = size("stride"), .padding = size("padding")}};
        } else if (type == "ConvTranspose2d") {
            const std::size_t in = size("in_channels"), out = size("out_channels"), k = size("kernel_size");
            expect({in, out, k, k}, out);
            layer = ConvTranspose2d{in, out, {.kernel_size = k, .stride = size("stride"), .padding = size("padding"), .output_padding = pair("output_padding")}};
        } else if (type == "LeakyReLU") {
            layer = LeakyReLU{number("negative_slope")};
        } else if (type == "Unflatten") {
            const std::size_t h = size("height"), w = size("width"), c = size("channels");
            layer = Unflatten{h, w, c};
        } else if (type == "Sigmoid") layer = Sigmoid{};
        else if (type == "Tanh") layer = Tanh{};
        else if (type == "Flatten") layer = Flatten{};
        else if (type != "ReLU") fail("has the type " + type + ", which only a model that is given can have");
        if (const std::size_t keys = json_.size(); keys != keys_read_ + 1) fail("has unknown keys: " + json_.dump());
        return layer;
    }

  private:
    // Far beyond every network, and small enough that no sum or product of a few of them overflows where it is not checked.
    static constexpr std::uint64_t largest = std::uint64_t{1} << 20;

    [[noreturn]] void fail(const std::string& what) const { throw FileError(file_.path() + ": layer " + place_ + " " + what); }
    const Json& at(const char* key) {
        if (!json_.contains(key)) fail(message("lacks ", key));
        ++keys_read_;
        return json_[key];
    }
    std::size_t size(const char* key, const Json& json) const {
        if (!json.is_number_unsigned() || json.get<std::uint64_t>() > largest) fail(message(key, " must be a whole number of at most ", largest));
        return json.get<std::size_t>();
    }
    std::size_t size(const char* key) { return size(key, at(key)); }
    std::array<std::size_t, 2> pair(const char* key) {
        const Json& json = at(key);
        if (!json.is_array() || json.size() != 2) fail(message(key, " must be two numbers"));
        return {size(key, json[0]), size(key, json[1])};
    }
    double number(const char* key) {
        const Json& json = at(key);
        if (!json.is_number()) fail(message(key, " must be a number"));
        return json.get<double>();
    }
    /// The file must hold weight and bias of these shapes: so nothing larger than the file is ever made.
    void expect(const std::vector<std::size_t>& weight, std::size_t bias) const {
        if (file_.at(place_ + ".weight").shape != weight) fail("needs a weight of shape [" + shape_string(weight) + "]");
        if (file_.at(place_ + ".bias").shape != std::vector{bias}) fail(message("needs a bias of ", bias));
    }

    const Safetensors& file_;
    std::string place_;
    const Json& json_;
    std::size_t keys_read_ = 0;
};
} // namespace detail

/// The chain that describe gave. @param prefix "down." or "up.": where the file has the parameters
/// @throws FileError for a list that is no such description, or does not fit the file's tensors
inline Chain read_chain(const Safetensors& file, const std::string& prefix, const Json& list) {
    if (!list.is_array()) throw FileError(file.path() + ": the layers of " + prefix + " must be a list");
    std::vector<Chain::AnyLayer> layers;
    try {
        for (const Json& json : list) layers.push_back(detail::LayerReader(file, prefix + std::to_string(layers.size()), json).read());
    } catch (const ValueError& error) {
        throw FileError(message(file.path(), ": layer ", prefix, layers.size(), ": ", error.what()));
    }
    return Chain{std::move(layers)};
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET::io
