#pragma once

#include "gradcon/nn/activation.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/sequential.hpp"

#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace models {

namespace detail {
inline Conv2d conv(std::size_t in, std::size_t out) { return {in, out, {.kernel_size = 4, .stride = 2, .padding = 2}}; }
inline ConvTranspose2d conv_transpose(std::size_t in, std::size_t out, std::size_t padding) {
    return {in, out, {.kernel_size = 4, .stride = 2, .padding = padding, .output_padding = {0, 0}}};
}
} // namespace detail

/// The paper's convolutional autoencoder: four Conv2d and four ConvTranspose2d, kernel 4, stride 2, ReLU between them
/// and a Sigmoid at the end; 230,721 parameters for one channel, 232,771 for three. It reconstructs
/// images whose height and width are 12 modulo 16 (28, 44, 60, ...); for other sizes see cae.
/// @param image_channels 1 or more. Of any integer type: a template is compiled only where it is called.
auto paper_cae(std::integral auto image_channels) {
    using detail::conv, detail::conv_transpose;
    const auto channels = static_cast<std::size_t>(image_channels);
    return Autoencoder{
        Sequential{conv(channels, 32), ReLU{}, conv(32, 32), ReLU{}, conv(32, 64), ReLU{}, conv(64, 64), ReLU{}},
        Sequential{conv_transpose(64, 64, 2), ReLU{}, conv_transpose(64, 32, 1), ReLU{}, conv_transpose(32, 32, 2),
                   ReLU{}, conv_transpose(32, channels, 1), Sigmoid{}}};
}

/// The paper's variational autoencoder, for 28 x 28 images: the same convolutions around a Gaussian latent of 576
/// values. The encoder's last layer is both heads of the authors' network (fc11 gives the means, fc12 the log
/// variances, stacked in this order), the decoder's first is their fc2.
/// @param image_channels as for paper_cae
auto paper_vae(std::integral auto image_channels) {
    using detail::conv, detail::conv_transpose;
    const auto channels = static_cast<std::size_t>(image_channels);
    return Autoencoder{Sequential{conv(channels, 32), ReLU{}, conv(32, 32), ReLU{}, conv(32, 64), ReLU{}, conv(64, 64),
                                  ReLU{}, Flatten{}, Linear{576, 2 * 576}},
                       Sequential{Linear{576, 576}, Unflatten{3, 3, 64}, conv_transpose(64, 64, 2), ReLU{},
                                  conv_transpose(64, 32, 1), ReLU{}, conv_transpose(32, 32, 2), ReLU{},
                                  conv_transpose(32, channels, 1), Sigmoid{}},
                       Latent::gaussian(576)};
}

/// Image height, width and channels, 1 or more each; the channels of each encoder layer, which the decoder mirrors.
struct CaeOptions {
    std::size_t height = 28, width = 28, channels = 1;
    std::vector<std::size_t> widths{32, 32, 64, 64};
};

/// The paper's autoencoder for images of any size, with any number of layers: kernel 4, stride 2, padding 2 throughout.
/// Each encoder layer takes a size S to S/2 + 1 (rounded down) and the decoder mirrors the sizes: it returns to S with
/// an output padding of S modulo 2 along each axis.
/// @throws ValueError when a size or a width is 0, or there is no width
inline Autoencoder<Chain, Chain> cae(const CaeOptions& options) {
    if (options.widths.empty() || options.height == 0 || options.width == 0)
        throw ValueError(message("models::cae: height, width and the number of widths are 1 or more; given: ",
                                 options.height, ", ", options.width, " and ", options.widths.size()));
    constexpr std::size_t kernel_size = 4, stride = 2, padding = 2;
    std::vector<Chain::AnyLayer> encoder, decoder;
    std::size_t height = options.height, width = options.width, channels = options.channels;
    for (const std::size_t out : options.widths) {
        const Conv2d conv{channels, out, {.kernel_size = kernel_size, .stride = stride, .padding = padding}};
        encoder.insert(encoder.end(), {conv, ReLU{}});
        const ConvTranspose2d back{out,
                                   channels,
                                   {.kernel_size = kernel_size,
                                    .stride = stride,
                                    .padding = padding,
                                    .output_padding = {height % 2, width % 2}}};
        if (decoder.empty()) decoder = {back, Sigmoid{}};
        else decoder.insert(decoder.begin(), {back, ReLU{}});
        const Shape shape = conv.output_shape({1, height, width, channels});
        height = shape[1], width = shape[2], channels = out;
    }
    return {Chain{std::move(encoder)}, Chain{std::move(decoder)}};
}

/// Numbers in a sample, 1 or more; the values of each encoder layer, which the decoder mirrors.
struct MlpOptions {
    std::size_t values = 1;
    std::vector<std::size_t> widths{32, 16};
};

/// An autoencoder of Linear layers for rows of numbers (batches of 1 x 1 x values), ReLU between them and nothing at
/// the end: for standardised columns (TableInput).
/// @throws ValueError when a size is 0, or there is no width
inline Autoencoder<Chain, Chain> mlp(const MlpOptions& options) {
    if (options.widths.empty() || options.values == 0)
        throw ValueError(message("models::mlp: values and the number of widths are 1 or more; given: ", options.values,
                                 " and ", options.widths.size()));
    std::vector<Chain::AnyLayer> encoder, decoder;
    std::size_t in = options.values;
    for (const std::size_t out : options.widths) {
        if (!encoder.empty()) encoder.emplace_back(ReLU{});
        encoder.emplace_back(Linear{in, out});
        if (!decoder.empty()) decoder.insert(decoder.begin(), ReLU{});
        decoder.insert(decoder.begin(), Linear{out, in});
        in = out;
    }
    return {Chain{std::move(encoder)}, Chain{std::move(decoder)}};
}

} // namespace models
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
