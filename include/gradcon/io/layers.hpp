#pragma once

#include "gradcon/io/metadata.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/sequential.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
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
    LayerReader(const Safetensors& file, const std::string& place, const Description& description)
        : file_(file), place_(place), description_(description) {}

    Chain::AnyLayer read() const {
        const std::string& type = description_.at<std::string>("type");
        if (type == "Linear") {
            const Linear layer{size("in_features"), size("out_features")};
            expect({layer.out_features(), layer.in_features()}, layer.out_features(), 3);
            return layer;
        }
        if (type == "Conv2d") {
            const std::size_t in = size("in_channels"), out = size("out_channels"), k = size("kernel_size");
            const Conv2d layer{in, out, {.kernel_size = k, .stride = size("stride"), .padding = size("padding")}};
            expect({out, in, k, k}, out, 6);
            return layer;
        }
        if (type == "ConvTranspose2d") {
            const std::size_t in = size("in_channels"), out = size("out_channels"), k = size("kernel_size");
            const auto& output_padding = description_.at<std::vector<std::uint64_t>>("output_padding");
            if (output_padding.size() != 2) throw ValueError("output_padding must be two numbers");
            const ConvTranspose2d layer{in,
                                        out,
                                        {.kernel_size = k,
                                         .stride = size("stride"),
                                         .padding = size("padding"),
                                         .output_padding = {output_padding[0], output_padding[1]}}};
            expect({in, out, k, k}, out, 7);
            return layer;
        }
        if (type == "LeakyReLU") return expect_keys(2), LeakyReLU{description_.number("negative_slope")};
        if (type == "Unflatten") return expect_keys(4), Unflatten{size("height"), size("width"), size("channels")};
        if (type == "MaxPool2d") {
            const MaxPool2d layer{
                {.kernel_size = size("kernel_size"), .stride = size("stride"), .padding = size("padding")}};
            return expect_keys(4), layer;
        }
        if (type == "GroupNorm") {
            const GroupNorm layer{size("groups"), size("channels"), {.eps = description_.number("eps")}};
            expect({layer.channels()}, layer.channels(), 4);
            return layer;
        }
        expect_keys(1);
        if (type == "ReLU") return ReLU{};
        if (type == "Sigmoid") return Sigmoid{};
        if (type == "Tanh") return Tanh{};
        if (type == "Flatten") return Flatten{};
        throw ValueError("has the type " + type + ", which only a model that is given can have");
    }

  private:
    std::size_t size(const char* key) const { return size_of(description_, key); }
    void expect_keys(std::size_t count) const {
        if (description_.size() != count) throw ValueError("has unknown keys: " + description_.to_json());
    }
    void expect(const std::vector<std::size_t>& weight, std::size_t bias, std::size_t keys) const {
        expect_keys(keys);
        if (file_.at(place_ + ".weight").shape != weight)
            throw ValueError("needs a weight of shape [" + shape_string(weight) + "]");
        if (file_.at(place_ + ".bias").shape != std::vector{bias})
            throw ValueError(message("needs a bias of ", bias, " elements"));
    }

    const Safetensors& file_;
    const std::string& place_;
    const Description& description_;
};
} // namespace detail

/// The chain that was described. @param prefix "down." or "up.": where the file has the parameters
/// @throws FileError for a layer that is no such description, or does not fit the file's tensors
inline Chain read_chain(const Safetensors& file, const std::string& prefix, const std::vector<Description>& list) {
    std::vector<Chain::AnyLayer> layers;
    for (const Description& description : list) {
        const std::string place = prefix + std::to_string(layers.size());
        try {
            layers.push_back(detail::LayerReader(file, place, description).read());
        } catch (const ValueError& error) {
            throw FileError(message(file.path(), ": layer ", place, ": ", error.what()));
        }
    }
    return Chain{std::move(layers)};
}

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
