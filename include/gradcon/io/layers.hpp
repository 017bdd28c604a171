#pragma once

#include "gradcon/io/model_reader.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/sequential.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

// The list of a network's layers, [{"type": "Conv2d", "in_channels": 1, ...}, ...], so that a model file tells which
// network its parameters belong to, and can be loaded without knowing.
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

inline Description describe(const Linear& l) {
    return Description()
        .with("type", "Linear")
        .with("in_features", l.in_features())
        .with("out_features", l.out_features());
}

namespace detail {
template <class Convolution>
Description describe_convolution(const char* type, const Convolution& l) {
    return Description()
        .with("type", type)
        .with("in_channels", l.in_channels())
        .with("out_channels", l.out_channels())
        .with("kernel_size", l.options().kernel_size)
        .with("stride", l.options().stride)
        .with("padding", l.options().padding);
}
} // namespace detail

inline Description describe(const Conv2d& l) { return detail::describe_convolution("Conv2d", l); }
inline Description describe(const ConvTranspose2d& l) {
    const auto& extra = l.options().output_padding;
    return detail::describe_convolution("ConvTranspose2d", l)
        .with("output_padding", std::vector<std::uint64_t>(extra.begin(), extra.end()));
}
inline Description describe(const ReLU&) { return Description().with("type", "ReLU"); }
inline Description describe(const LeakyReLU& l) {
    return Description().with("type", "LeakyReLU").with("negative_slope", l.negative_slope);
}
inline Description describe(const Sigmoid&) { return Description().with("type", "Sigmoid"); }
inline Description describe(const Tanh&) { return Description().with("type", "Tanh"); }
inline Description describe(const Flatten&) { return Description().with("type", "Flatten"); }
inline Description describe(const Unflatten& l) {
    return Description()
        .with("type", "Unflatten")
        .with("height", l.height)
        .with("width", l.width)
        .with("channels", l.channels);
}
inline Description describe(const MaxPool2d& l) {
    return Description()
        .with("type", "MaxPool2d")
        .with("kernel_size", l.options().kernel_size)
        .with("stride", l.options().stride)
        .with("padding", l.options().padding);
}
inline Description describe(const GroupNorm& l) {
    return Description()
        .with("type", "GroupNorm")
        .with("groups", l.groups())
        .with("channels", l.channels())
        .with("eps", l.options().eps);
}

/// A layer of the user's own; such a file loads only into a model that is given.
template <class L>
Description describe(const L&) {
    return Description().with("type", "own");
}

template <class... Layers>
std::vector<Description> describe_layers(const Sequential<Layers...>& sequential) {
    std::vector<Description> list;
    std::apply([&](const auto&... layer) { (list.push_back(describe(layer)), ...); }, sequential.layers());
    return list;
}
inline std::vector<Description> describe_layers(const Chain& chain) {
    std::vector<Description> list;
    for (const auto& any : chain.layers())
        list.push_back(std::visit([](const auto& layer) { return describe(layer); }, any));
    return list;
}

namespace detail {
/// Makes a layer from its description: every key must be there and none besides, and the file must hold its weight and
/// bias, so that nothing larger than the file is ever made.
class LayerReader {
  public:
    LayerReader(const Safetensors& file, const std::string& place, Description& description)
        : file_(file), place_(place), description_(description) {}

    Chain::AnyLayer read() const {
        Chain::AnyLayer layer = read_type();
        description_.refuse_rest();
        return layer;
    }

  private:
    Chain::AnyLayer read_type() const {
        const auto type = description_.take<std::string>("type");
        if (type == "Linear") {
            const Linear layer{size("in_features"), size("out_features")};
            expect({layer.out_features(), layer.in_features()}, layer.out_features());
            return layer;
        }
        if (type == "Conv2d") {
            const std::size_t in = size("in_channels"), out = size("out_channels"), k = size("kernel_size");
            const Conv2d layer{in, out, {.kernel_size = k, .stride = size("stride"), .padding = size("padding")}};
            expect({out, in, k, k}, out);
            return layer;
        }
        if (type == "ConvTranspose2d") {
            const std::size_t in = size("in_channels"), out = size("out_channels"), k = size("kernel_size");
            const auto output_padding = description_.take<std::vector<std::uint64_t>>("output_padding");
            if (output_padding.size() != 2) throw ValueError("output_padding must be two numbers");
            const ConvTranspose2d layer{in,
                                        out,
                                        {.kernel_size = k,
                                         .stride = size("stride"),
                                         .padding = size("padding"),
                                         .output_padding = {output_padding[0], output_padding[1]}}};
            expect({in, out, k, k}, out);
            return layer;
        }
        if (type == "LeakyReLU") return LeakyReLU{description_.take_number("negative_slope")};
        if (type == "Unflatten") return Unflatten{size("height"), size("width"), size("channels")};
        if (type == "MaxPool2d")
            return MaxPool2d{
                {.kernel_size = size("kernel_size"), .stride = size("stride"), .padding = size("padding")}};
        if (type == "GroupNorm") {
            const GroupNorm layer{size("groups"), size("channels"), {.eps = description_.take_number("eps")}};
            expect({layer.channels()}, layer.channels());
            return layer;
        }
        if (type == "ReLU") return ReLU{};
        if (type == "Sigmoid") return Sigmoid{};
        if (type == "Tanh") return Tanh{};
        if (type == "Flatten") return Flatten{};
        throw ValueError("has the type " + type + ", which only a model that is given can have");
    }
    std::size_t size(const char* key) const { return description_.take_size(key); }
    void expect(const std::vector<std::size_t>& weight, std::size_t bias) const {
        if (file_.at(place_ + ".weight").shape != weight)
            throw ValueError("needs a weight of shape [" + shape_string(weight) + "]");
        if (file_.at(place_ + ".bias").shape != std::vector{bias})
            throw ValueError(message("needs a bias of ", bias, " elements"));
    }

    const Safetensors& file_;
    const std::string& place_;
    Description& description_;
};

/// The chain that metadata `key` describes. @param prefix "down." or "up.": where the file has the parameters
/// @throws FileError for a layer that is no such description, or does not fit the file's tensors
inline Chain read_chain(const ModelReader& reader, const char* key, const std::string& prefix) {
    std::vector<Chain::AnyLayer> layers;
    for (Description& description : reader.descriptions(key)) {
        const std::string place = prefix + std::to_string(layers.size());
        layers.push_back(
            reader.at("layer " + place, [&] { return LayerReader(reader.file(), place, description).read(); }));
    }
    return Chain{std::move(layers)};
}
} // namespace detail

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
