#pragma once

#include "random_tensors.hpp"

#include <cmath>
#include <cstddef>
#include <variant>
#include <vector>

// An autoencoder written out loop by loop for any scalar type, for one image at a time: the oracle of the objective.
// With Dual numbers it gives Hessian-vector products that are exact to rounding.

/// value + derivative * epsilon, epsilon^2 = 0
struct Dual {
    double value = 0, derivative = 0;

    Dual() = default;
    Dual(double v, double d = 0) : value(v), derivative(d) {}
    friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.derivative + b.derivative}; }
    friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.derivative - b.derivative}; }
    friend Dual operator*(Dual a, Dual b) {
        return {a.value * b.value, a.derivative * b.value + a.value * b.derivative};
    }
    friend Dual operator/(Dual a, Dual b) {
        return {a.value / b.value, (a.derivative * b.value - a.value * b.derivative) / (b.value * b.value)};
    }
    Dual& operator+=(Dual b) { return *this = *this + b; }
};
inline double value_of(double x) { return x; }
inline double value_of(Dual x) { return x.value; }
inline double exp_of(double x) { return std::exp(x); }
inline Dual exp_of(Dual x) { return {std::exp(x.value), std::exp(x.value) * x.derivative}; }

template <class S>
struct NaiveLayer {
    enum class Kind { conv, conv_transpose, relu, sigmoid, tanh } kind{};
    std::size_t in = 0, out = 0, kernel = 0, stride = 0, padding = 0, output_padding[2] = {0, 0};
    std::vector<S> weight{}, bias{}; // conv: [k, k, in, out]; conv_transpose: [k, k, out, in]
    std::vector<S> weight_gradient{}, bias_gradient{};
    std::vector<S> x{}, y{}; // of the last forward pass
    std::size_t height = 0, width = 0, y_height = 0, y_width = 0;

    /// f(x index, y index, weight index)
    template <class F>
    void for_each_product(F&& f) const {
        const bool transposed = kind == Kind::conv_transpose;
        const std::size_t large_h = transposed ? y_height : height, large_w = transposed ? y_width : width;
        const std::size_t small_h = transposed ? height : y_height, small_w = transposed ? width : y_width;
        const std::size_t a_count = transposed ? out : in, b_count = transposed ? in : out;
        for (std::size_t sy = 0; sy < small_h; ++sy)
            for (std::size_t sx = 0; sx < small_w; ++sx)
                for (std::size_t ky = 0; ky < kernel; ++ky)
                    for (std::size_t kx = 0; kx < kernel; ++kx) {
                        const std::size_t ly = sy * stride + ky, lx = sx * stride + kx; // plus padding
                        if (ly < padding || lx < padding || ly - padding >= large_h || lx - padding >= large_w)
                            continue;
                        for (std::size_t a = 0; a < a_count; ++a)
                            for (std::size_t b = 0; b < b_count; ++b) {
                                const std::size_t large = ((ly - padding) * large_w + lx - padding) * a_count + a;
                                const std::size_t small = (sy * small_w + sx) * b_count + b;
                                const std::size_t w = ((ky * kernel + kx) * a_count + a) * b_count + b;
                                f(transposed ? small : large, transposed ? large : small, w);
                            }
                    }
    }

    std::vector<S> forward(const std::vector<S>& input, std::size_t& h, std::size_t& w) {
        x = input;
        height = h, width = w, y_height = h, y_width = w;
        y = x;
        switch (kind) {
        case Kind::relu:
            for (S& v : y) v = value_of(v) > 0 ? v : S(0);
            return y;
        case Kind::sigmoid:
            for (S& v : y) v = S(1) / (S(1) + exp_of(S(0) - v));
            return y;
        case Kind::tanh:
            for (S& v : y) v = S(1) - S(2) / (exp_of(v + v) + S(1));
            return y;
        case Kind::conv:
            y_height = (h + 2 * padding - kernel) / stride + 1, y_width = (w + 2 * padding - kernel) / stride + 1;
            break;
        case Kind::conv_transpose:
            y_height = (h - 1) * stride + kernel + output_padding[0] - 2 * padding;
            y_width = (w - 1) * stride + kernel + output_padding[1] - 2 * padding;
        }
        y.assign(y_height * y_width * out, S(0));
        for (std::size_t i = 0; i < y.size(); ++i) y[i] = bias[i % out];
        for_each_product([&](std::size_t i, std::size_t j, std::size_t k) { y[j] += x[i] * weight[k]; });
        h = y_height, w = y_width;
        return y;
    }

    std::vector<S> backward(const std::vector<S>& dy) {
        std::vector<S> dx(x.size(), S(0));
        for (std::size_t i = 0; i < x.size(); ++i) {
            if (kind == Kind::relu) dx[i] = value_of(x[i]) > 0 ? dy[i] : S(0);
            if (kind == Kind::sigmoid) dx[i] = dy[i] * y[i] * (S(1) - y[i]);
            if (kind == Kind::tanh) dx[i] = dy[i] * (S(1) - y[i] * y[i]);
        }
        if (kind != Kind::conv && kind != Kind::conv_transpose) return dx;
        for (std::size_t i = 0; i < dy.size(); ++i) bias_gradient[i % out] += dy[i];
        for_each_product([&](std::size_t i, std::size_t j, std::size_t k) {
            dx[i] += dy[j] * weight[k];
            weight_gradient[k] += x[i] * dy[j];
        });
        return dx;
    }
};

/// Layers of an encoder and a decoder with parameters of scalar type S.
template <class S>
struct NaiveAutoencoder {
    std::vector<NaiveLayer<S>> layers;
    std::size_t encoder_layers = 0;

    template <class Params>
    NaiveAutoencoder(const gradcon::Autoencoder<gradcon::Chain, gradcon::Chain>& model, const Params& params) {
        for (const auto* chain : {&model.encoder, &model.decoder}) {
            for (const auto& any : chain->layers()) std::visit([&](const auto& layer) { add(layer); }, any);
            if (chain == &model.encoder) encoder_layers = layers.size();
        }
        std::vector<std::vector<S>*> tensors = parameters();
        std::size_t i = 0;
        gradcon::for_each_tensor(
            [&](const auto& tensor) { tensors[i++]->assign(tensor.data(), tensor.data() + tensor.size()); }, params);
        for (auto& layer : layers) {
            layer.weight_gradient.assign(layer.weight.size(), S(0));
            layer.bias_gradient.assign(layer.bias.size(), S(0));
        }
    }

    std::vector<std::vector<S>*> parameters() { return collect(&NaiveLayer<S>::weight, &NaiveLayer<S>::bias); }
    std::vector<std::vector<S>*> gradients() {
        return collect(&NaiveLayer<S>::weight_gradient, &NaiveLayer<S>::bias_gradient);
    }

    /// The mean squared error of a batch; adds its gradient to the layers'.
    double loss_and_gradient(const gradcon::Tensor<double, 4>& images) {
        const auto& shape = images.shape();
        const std::size_t size = shape[1] * shape[2] * shape[3];
        double loss = 0;
        for (std::size_t n = 0; n < shape[0]; ++n) {
            const std::vector<S> x(images.data() + n * size, images.data() + (n + 1) * size);
            std::size_t h = shape[1], w = shape[2];
            std::vector<S> y = x;
            for (auto& layer : layers) y = layer.forward(y, h, w);
            for (std::size_t i = 0; i < y.size(); ++i) {
                const S d = y[i] - x[i];
                loss += value_of(d) * value_of(d) / static_cast<double>(images.size());
                y[i] = S(2.0 / static_cast<double>(images.size())) * d;
            }
            for (std::size_t i = layers.size(); i-- > 0;) y = layers[i].backward(y);
        }
        return loss;
    }

  private:
    using Member = std::vector<S> NaiveLayer<S>::*;
    std::vector<std::vector<S>*> collect(Member weight, Member bias) {
        std::vector<std::vector<S>*> all;
        for (auto& layer : layers)
            if (layer.kernel > 0) all.insert(all.end(), {&(layer.*weight), &(layer.*bias)});
        return all;
    }

    using Kind = typename NaiveLayer<S>::Kind;
    void add(const gradcon::Conv2d& l) {
        const auto& o = l.options();
        layers.push_back({Kind::conv, l.in_channels(), l.out_channels(), o.kernel_size, o.stride, o.padding});
    }
    void add(const gradcon::ConvTranspose2d& l) {
        const auto& o = l.options();
        layers.push_back({Kind::conv_transpose,
                          l.in_channels(),
                          l.out_channels(),
                          o.kernel_size,
                          o.stride,
                          o.padding,
                          {o.output_padding[0], o.output_padding[1]}});
    }
    void add(const gradcon::ReLU&) { layers.push_back({Kind::relu}); }
    void add(const gradcon::Sigmoid&) { layers.push_back({Kind::sigmoid}); }
    void add(const gradcon::Tanh&) { layers.push_back({Kind::tanh}); }
    template <class L>
    void add(const L&) {
        throw std::logic_error("the oracle does not know this layer");
    }
};
