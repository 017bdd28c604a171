#pragma once

#include "gradcon/core/error.hpp"
#include "gradcon/core/random.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/kernels/exp.hpp"
#include "gradcon/nn/concepts.hpp"

#include <cmath>
#include <cstddef>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// What lies between an encoder and a decoder. By default nothing: the encoder's output h is the code z.
///
/// gaussian(n), of a variational autoencoder (Kingma and Welling, 2014): h = (mu, v) with n means and n log variances,
///     z = mu + eps * exp(v / 2)       eps standard normal in training (reparameterisation), 0 otherwise
///     KL(N(mu, exp v) || N(0, 1)) = 1/2 sum (mu^2 + exp v - v - 1)
/// The loss is mse + weight * KL; in training weight is 1 / the number of pixel values of the batch.
/// h: N x 1 x 1 x 2n, z and eps: N x 1 x 1 x n. With float, exp saturates at e^88 in z and the derivatives
/// (kernels/exp.hpp), but not in the KL, a sum of doubles.
class Latent {
  public:
    Latent() = default;

    /// @throws ValueError when `size` is 0
    static Latent gaussian(std::size_t size) {
        if (size == 0) throw ValueError("Latent::gaussian: needs 1 value or more; given: 0");
        Latent latent;
        latent.size_ = size;
        return latent;
    }

    bool is_gaussian() const { return size_ > 0; }
    /// The values of a code of a Gaussian latent, n; 0 if the encoder's output is the code.
    std::size_t size() const { return size_; }

    /// What the passes remember.
    template <class T>
    struct Cache {
        Batch<T> h, eps;
        Tensor<T, 4> z, dh;
    };

    /// @throws ShapeError when a Gaussian latent's h is no vector of 2n
    Shape output_shape(const Shape& h) const {
        if (!is_gaussian()) return h;
        if (h[1] != 1 || h[2] != 1 || h[3] != 2 * size_)
            throw ShapeError(message("a Gaussian latent of ", size_, " values needs an encoder that gives N x 1 x 1 x ",
                                     2 * size_, " (means, then log variances); given: ", shape_string(h)));
        return {h[0], 1, 1, size_};
    }

    /// Draws eps for a batch, if there is anything to draw. @return N x 1 x 1 x n, or an empty view
    template <class T>
    Batch<T> draw(Rng& rng, std::size_t samples, Tensor<T, 4>& storage) const {
        if (!is_gaussian()) return {};
        const auto eps = reserve(storage, {samples, 1, 1, size_});
        for (std::size_t i = 0, n = eps.size(); i < n; ++i) eps.data()[i] = static_cast<T>(standard_normal(rng));
        return {eps.data(), eps.shape()};
    }

    /// z. @param eps as `draw` gives it; empty: z = mu
    /// @throws ShapeError when eps is neither empty nor of z's shape
    template <class T>
    Batch<T> forward(Batch<T> h, Batch<T> eps, Cache<T>& c) const {
        c.h = h;
        if (!is_gaussian()) return h;
        const auto z = reserve(c.z, output_shape(h.shape()));
        if (eps.data() && eps.shape() != z.shape())
            throw ShapeError(message("the latent's noise must have shape ", shape_string(z.shape()),
                                     "; given: ", shape_string(eps.shape())));
        c.eps = eps;
        for_each(
            h, [&](std::size_t i, std::size_t at) { z.data()[i] = h.data()[at] + noise(c, i, h.data()[at + size_]); });
        return {z.data(), z.shape()};
    }

    /// KL summed over the samples' codes, in double; 0 without a distribution.
    template <class T>
    double divergence(Batch<T> h) const {
        if (!is_gaussian()) return 0;
        double sum = 0;
        for_each(h, [&](std::size_t, std::size_t at) {
            const double mu = h.data()[at], v = h.data()[at + size_];
            sum += mu * mu + std::expm1(v) - v;
        });
        return sum / 2;
    }

    /// dh of  f(z) + weight * KL, with dz = df/dz:   dmu = dz + weight mu,   dv = dz eps s/2 + weight (s^2 - 1)/2,
    /// s = exp(v/2).
    template <class T>
    Batch<T> backward(Cache<T>& c, Batch<T> dz, double weight) const {
        if (!is_gaussian()) return dz;
        const auto dh = reserve(c.dh, c.h.shape());
        const T w = static_cast<T>(weight);
        for_each(c.h, [&](std::size_t i, std::size_t at) {
            const T mu = c.h.data()[at], v = c.h.data()[at + size_];
            dh.data()[at] = dz.data()[i] + w * mu;
            dh.data()[at + size_] = dz.data()[i] * noise(c, i, v) / 2 + w * (kernels::exp(v) - 1) / 2;
        });
        return {dh.data(), dh.shape()};
    }

    friend bool operator==(const Latent&, const Latent&) = default;

  private:
    /// f(i, at) for every value i of the codes of a batch: its mean lies in h at `at`, its log variance at
    /// `at + size_`.
    template <class T, class F>
    void for_each(Batch<T> h, F&& f) const {
        for (std::size_t n = 0; n < h.samples(); ++n)
            for (std::size_t k = 0; k < size_; ++k) f(n * size_ + k, 2 * n * size_ + k);
    }

    /// eps * exp(v / 2)
    template <class T>
    static T noise(const Cache<T>& c, std::size_t i, T log_variance) {
        return c.eps.data() ? c.eps.data()[i] * kernels::exp(log_variance / 2) : T{0};
    }

    std::size_t size_ = 0;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
