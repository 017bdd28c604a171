#pragma once

#include "gradcon/core/finite.hpp"
#include "gradcon/nn/concepts.hpp"
#include "gradcon/tree/algebra.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// eps more than 0: added to the variance.
struct GroupNormOptions {
    double eps = 1e-5;
};

/// Group normalisation (Wu & He, ECCV 2018): the channels are split into groups, and the values of each sample's group
/// are brought to mean 0 and variance 1; then each channel has a learnt scale and offset. With m the mean and v the
/// (biased) variance of the group's height x width x channels / groups values:
///     n = (x - m) / sqrt(v + eps)        y = weight[channel] * n + bias[channel]
/// A sample's y depends on no other sample of the batch. x and y: N x H x W x channels. weight and bias: channels.
///
/// Its passes, with s = 1 / sqrt(v + eps), h = weight * dy, means over the group:
///     dx     = s (h - mean(h) - n mean(h n))                  dweight = sum dy n        dbias = sum dy
///     n_dot  = s (x_dot - mean(x_dot) - n mean(x_dot n))      s_dot = -s^2 mean(x_dot n)
class GroupNorm {
  public:
    template <class T>
    struct Params : WeightAndBias<T, 1> {};
    template <class T>
    struct Cache {
        Batch<T> dy;
        Tensor<T, 4> n, y, dx;
        std::vector<double> s, mean_h_n; // of each sample's groups
    };

    /// @throws ValueError when a count is 0, channels is no multiple of groups, or eps is not above 0
    GroupNorm(std::size_t groups, std::size_t channels, const GroupNormOptions& options = {})
        : groups_(groups), channels_(channels), options_(options) {
        if (groups == 0 || channels == 0 || channels % groups != 0 || !is_finite(options.eps) || options.eps <= 0)
            throw ValueError(message("GroupNorm: channels is a multiple of groups, both are 1 or more, eps is above 0; "
                                     "given: groups ",
                                     groups, ", channels ", channels, ", eps ", options.eps));
    }

    std::size_t groups() const { return groups_; }
    std::size_t channels() const { return channels_; }
    const GroupNormOptions& options() const { return options_; }

    /// @throws ShapeError when x has other channels, or no pixel
    Shape output_shape(const Shape& x) const {
        if (x[3] != channels_ || x[1] == 0 || x[2] == 0)
            throw ShapeError(
                message("GroupNorm: needs N x height x width x ", channels_, "; given: ", shape_string(x)));
        return x;
    }

    /// weight 1 and bias 0.
    template <class T = float>
    Params<T> init(Rng&) const {
        Params<T> params;
        params.weight.resize({channels_});
        params.bias.resize({channels_});
        fill(params.weight, 1);
        fill(params.bias, 0);
        return params;
    }

    template <class T>
    Batch<T> forward(const Params<T>& p, Batch<T> x, Cache<T>& c) const {
        const auto n = reserve(c.n, output_shape(x.shape())), y = reserve(c.y, x.shape());
        c.s.resize(x.samples() * groups_);
        for_each_group(x.shape(), [&](const Group& group) {
            const double mean = group.mean([&](std::size_t i, std::size_t) { return double{x.data()[i]}; });
            const double variance =
                group.mean([&](std::size_t i, std::size_t) { return square(double{x.data()[i]} - mean); });
            const double s = c.s[group.number] = 1 / std::sqrt(variance + options_.eps);
            group.for_each([&](std::size_t i, std::size_t channel) {
                n.data()[i] = static_cast<T>((double{x.data()[i]} - mean) * s);
                y.data()[i] = p.weight(channel) * n.data()[i] + p.bias(channel);
            });
        });
        return y;
    }

    template <class T>
    Batch<T> backward(const Params<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        c.dy = dy;
        const auto dx = reserve(c.dx, dy.shape());
        const T* n = c.n.data();
        c.mean_h_n.resize(c.s.size());
        for_each_group(dy.shape(), [&](const Group& group) {
            const auto h = [&](std::size_t i, std::size_t channel) { return double{p.weight(channel) * dy.data()[i]}; };
            const double mean_h = group.mean(h);
            const double mean_h_n = c.mean_h_n[group.number] =
                group.mean([&](std::size_t i, std::size_t channel) { return h(i, channel) * double{n[i]}; });
            group.for_each([&](std::size_t i, std::size_t channel) {
                dx.data()[i] = static_cast<T>(c.s[group.number] * (h(i, channel) - mean_h - double{n[i]} * mean_h_n));
                g.weight(channel) += dy.data()[i] * n[i];
                g.bias(channel) += dy.data()[i];
            });
        });
        return dx;
    }

    template <class T>
    Batch<T> forward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                             Batch<T> x_dot) const {
        const auto n_dot = reserve(c_dot.n, x_dot.shape()), y_dot = reserve(c_dot.y, x_dot.shape());
        const T* n = c.n.data();
        c_dot.s.resize(c.s.size());
        for_each_group(x_dot.shape(), [&](const Group& group) {
            const double s = c.s[group.number];
            const double mean = group.mean([&](std::size_t i, std::size_t) { return double{x_dot.data()[i]}; });
            const double mean_n =
                group.mean([&](std::size_t i, std::size_t) { return double{x_dot.data()[i]} * double{n[i]}; });
            c_dot.s[group.number] = -s * s * mean_n;
            group.for_each([&](std::size_t i, std::size_t channel) {
                n_dot.data()[i] = static_cast<T>(s * (double{x_dot.data()[i]} - mean - double{n[i]} * mean_n));
                y_dot.data()[i] =
                    p_dot.weight(channel) * n[i] + p.weight(channel) * n_dot.data()[i] + p_dot.bias(channel);
            });
        });
        return y_dot;
    }

    template <class T>
    Batch<T> backward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              Params<T>& g_dot) const {
        const auto dx_dot = reserve(c_dot.dx, dy_dot.shape());
        const T *n = c.n.data(), *n_dot = c_dot.n.data(), *dy = c.dy.data(), *dx = c.dx.data();
        for_each_group(dy_dot.shape(), [&](const Group& group) {
            const double s = c.s[group.number], s_dot = c_dot.s[group.number], mean_h_n = c.mean_h_n[group.number];
            const auto h_dot = [&](std::size_t i, std::size_t channel) {
                return double{p_dot.weight(channel) * dy[i] + p.weight(channel) * dy_dot.data()[i]};
            };
            const double mean_h_dot = group.mean(h_dot);
            const double mean_h_n_dot = group.mean([&](std::size_t i, std::size_t channel) {
                return h_dot(i, channel) * double{n[i]} + double{p.weight(channel) * dy[i]} * double{n_dot[i]};
            });
            group.for_each([&](std::size_t i, std::size_t channel) {
                const double difference = h_dot(i, channel) - mean_h_dot - double{n_dot[i]} * mean_h_n;
                dx_dot.data()[i] =
                    static_cast<T>(s_dot / s * double{dx[i]} + s * (difference - double{n[i]} * mean_h_n_dot));
                g_dot.weight(channel) += dy_dot.data()[i] * n[i] + dy[i] * n_dot[i];
                g_dot.bias(channel) += dy_dot.data()[i];
            });
        });
        return dx_dot;
    }

  private:
    static double square(double v) { return v * v; }

    /// The values of one sample's group.
    struct Group {
        std::size_t number, sample, first_channel, pixels, channels, all_channels;

        /// f(index of the value in the batch, its channel)
        template <class F>
        void for_each(F&& f) const {
            for (std::size_t pixel = 0; pixel < pixels; ++pixel)
                for (std::size_t k = first_channel; k < first_channel + channels; ++k)
                    f((sample * pixels + pixel) * all_channels + k, k);
        }
        template <class F>
        double mean(F&& value) const {
            double sum = 0;
            for_each([&](std::size_t i, std::size_t channel) { sum += value(i, channel); });
            return sum / static_cast<double>(pixels * channels);
        }
    };
    template <class F>
    void for_each_group(const Shape& shape, F&& f) const {
        const std::size_t each = channels_ / groups_;
        for (std::size_t sample = 0; sample < shape[0]; ++sample)
            for (std::size_t group = 0; group < groups_; ++group)
                f(Group{sample * groups_ + group, sample, group * each, shape[1] * shape[2], each, channels_});
    }

    std::size_t groups_, channels_;
    GroupNormOptions options_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
