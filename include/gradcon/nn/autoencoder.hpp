#pragma once

#include "gradcon/nn/latent.hpp"
#include "gradcon/nn/loss.hpp"
#include "gradcon/nn/passes.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <utility>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// An encoder, a decoder that reconstructs the image, and what lies between them: a Gaussian latent makes it a
/// variational autoencoder. `loss` says how far a reconstruction is from its image (nn/loss.hpp). The parameters are a
/// tree with the branches encoder and decoder, so that a policy can watch the decoder alone.
template <class Encoder, class Decoder, class Loss = MeanSquaredError>
struct Autoencoder {
    Encoder encoder;
    Decoder decoder;
    Latent latent;
    [[no_unique_address]] Loss loss;

    Autoencoder(Encoder e, Decoder d, Latent between = {}, Loss of = {})
        : encoder(std::move(e)), decoder(std::move(d)), latent(between), loss(std::move(of)) {
        static_assert(check_layer<Encoder>() && check_layer<Decoder>() && check_loss<Loss>());
    }

    template <class T>
    struct Params {
        using Scalar = T;
        typename Encoder::template Params<T> encoder;
        typename Decoder::template Params<T> decoder;

        template <class Self>
        static auto fields(Self& self) {
            return std::tie(self.encoder, self.decoder);
        }
        static constexpr std::array<const char*, 2> field_names{"encoder", "decoder"};
    };
    template <class T>
    struct Packed {
        packed_t<Encoder, T> encoder;
        packed_t<Decoder, T> decoder;
    };

    /// Fresh parameters; `init<double>(rng)` for doubles.
    template <class T = float>
    Params<T> init(Rng& rng) const {
        auto e = encoder.template init<T>(rng);
        return {std::move(e), decoder.template init<T>(rng)};
    }

    template <class T>
    void pack(const Params<T>& params, Packed<T>& packed) const {
        gradcon::pack(encoder, params.encoder, packed.encoder);
        gradcon::pack(decoder, params.decoder, packed.decoder);
    }

    Shape output_shape(const Shape& x) const {
        return decoder.output_shape(latent.output_shape(encoder.output_shape(x)));
    }

    /// The values of one image's code.
    std::size_t code_size(const Shape& images) const {
        const Shape z = latent.output_shape(encoder.output_shape(images));
        return z[1] * z[2] * z[3];
    }

    /// @throws ShapeError when images of this shape do not come back in their own shape; it names the nearest that do
    void check_shape(const Shape& images) const {
        const Shape back = output_shape(images);
        if (back == images) return;
        throw ShapeError(message("the autoencoder gives ", shape_string(images), " back as ", shape_string(back),
                                 "; nearest fitting height: ", nearest(images, 1),
                                 "; nearest fitting width: ", nearest(images, 2)));
    }

  private:
    bool fits(const Shape& images, std::size_t axis) const {
        try {
            return output_shape(images)[axis] == images[axis];
        } catch (const ShapeError&) { return false; }
    }

    std::string nearest(Shape images, std::size_t axis) const {
        const std::size_t wanted = images[axis];
        std::string below, above;
        for (std::size_t d = 0; d < wanted && d <= 256 && below.empty(); ++d)
            if (images[axis] = wanted - d; fits(images, axis)) below = std::to_string(images[axis]);
        for (std::size_t d = 1; d <= 256 && above.empty(); ++d)
            if (images[axis] = wanted + d; fits(images, axis)) above = std::to_string(images[axis]);
        if (below.empty() || below == std::to_string(wanted))
            return below.empty() ? above.empty() ? "none" : above : below;
        return above.empty() ? below : below + " or " + above;
    }
};

template <class Model, class T>
using params_t = typename Model::template Params<T>;
template <class Model, class T>
using encoder_cache_t = typename decltype(Model::encoder)::template Cache<T>;
template <class Model, class T>
using decoder_cache_t = typename decltype(Model::decoder)::template Cache<T>;

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
