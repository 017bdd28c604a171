#pragma once

#include "random_tensors.hpp"

#include <gradcon/testing/check_gradient.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <tuple>
#include <vector>

/// All passes of a layer agree with central differences.
template <class L>
void check_passes(const L& layer, const gradcon::Shape& shape) {
    const auto check = gradcon::testing::check_gradient(layer, shape);
    INFO(gradcon::shape_string(shape), ": ", check.message);
    CHECK(check.passed);
}

/// The reduction of one sample's gradient must be the sums of the gradient that backward gives.
template <class L>
void check_reduction(const L& layer, const gradcon::Shape& shape) {
    gradcon::Rng rng(7);
    using Params = typename L::template Params<double>;
    const Params p = layer.template init<double>(rng);
    Params reference = p, mean = p, weight = p, g = gradcon::zeros_like(p), room = gradcon::zeros_like(p);
    randomize(reference, rng);
    randomize(mean, rng);
    randomize(weight, rng);
    gradcon::packed_t<L, double> packed{};
    gradcon::pack(layer, p, packed);
    typename L::template Cache<double> cache{}, cache_reduce{};
    const auto x = random_images<double>(shape, rng, -1, 1);
    const auto dy = random_images<double>(layer.output_shape(shape), rng, -1, 1);
    layer.forward(packed, gradcon::Batch<double>(x), cache);
    layer.forward(packed, gradcon::Batch<double>(x), cache_reduce);
    const gradcon::Batch<double> dx = layer.backward(packed, cache, gradcon::Batch<double>(dy), g);
    const auto check = [&](bool with_profile) {
        std::vector<gradcon::kernels::Reduction<double>> reductions;
        gradcon::for_each_tensor(
            [&](const auto& r, const auto& m, const auto& w) {
                reductions.push_back({r.data(), with_profile ? m.data() : nullptr, with_profile ? w.data() : nullptr});
            },
            reference, mean, weight);
        const gradcon::Batch<double> dx_reduce = gradcon::backward_reduce(
            layer, packed, cache_reduce, gradcon::Batch<double>(dy), room, std::span(reductions), true);
        CHECK(std::equal(dx.data(), dx.data() + dx.size(), dx_reduce.data()));
        std::size_t i = 0;
        gradcon::for_each_tensor(
            [&](const auto& gradient, const auto& r, const auto& m, const auto& w) {
                gradcon::kernels::GradientSums expected;
                for (std::size_t e = 0; e < gradient.size(); ++e) {
                    const double value = gradient.data()[e];
                    expected.dot += r.data()[e] * value;
                    expected.squared_norm += value * value;
                    expected.mean_dot += with_profile ? m.data()[e] * value : 0;
                    expected.weighted_square += with_profile ? w.data()[e] * value * value : 0;
                }
                const gradcon::kernels::GradientSums& found = reductions[i++].sum;
                CHECK(found.dot == doctest::Approx(expected.dot).epsilon(1e-11));
                CHECK(found.squared_norm == doctest::Approx(expected.squared_norm).epsilon(1e-11));
                CHECK(found.mean_dot == doctest::Approx(expected.mean_dot).epsilon(1e-11));
                CHECK(found.weighted_square == doctest::Approx(expected.weighted_square).epsilon(1e-11));
            },
            g, reference, mean, weight);
    };
    check(false);
    check(true);
}

/// A layer of a user's own with the four passes and nothing else: y = x * weight, channel by channel.
struct Gain {
    std::size_t channels;

    template <class T>
    struct Params {
        gradcon::Tensor<T, 1> weight;
        template <class Self>
        static auto fields(Self& s) {
            return std::tie(s.weight);
        }
        static constexpr std::array<const char*, 1> field_names{"weight"};
    };
    template <class T>
    struct Cache {
        gradcon::Batch<T> x, dy;
        gradcon::Tensor<T, 4> y, dx;
    };
    gradcon::Shape output_shape(const gradcon::Shape& x) const { return x; }
    template <class T>
    Params<T> init(gradcon::Rng& rng) const {
        Params<T> p;
        p.weight.resize({channels});
        randomize(p, rng);
        return p;
    }
    template <class T>
    gradcon::Batch<T> scaled(const Params<T>& p, gradcon::Batch<T> from, gradcon::Tensor<T, 4>& to) const {
        const auto view = gradcon::reserve(to, from.shape());
        for (std::size_t i = 0; i < from.size(); ++i) view.data()[i] = p.weight.data()[i % channels] * from.data()[i];
        return view;
    }
    template <class T>
    void add_products(gradcon::Batch<T> a, gradcon::Batch<T> b, Params<T>& g) const {
        for (std::size_t i = 0; i < a.size(); ++i) g.weight.data()[i % channels] += a.data()[i] * b.data()[i];
    }
    template <class T>
    gradcon::Batch<T> forward(const Params<T>& p, gradcon::Batch<T> x, Cache<T>& c) const {
        return scaled(p, c.x = x, c.y);
    }
    template <class T>
    gradcon::Batch<T> backward(const Params<T>& p, Cache<T>& c, gradcon::Batch<T> dy, Params<T>& g) const {
        add_products(c.x, c.dy = dy, g);
        return scaled(p, dy, c.dx);
    }
    template <class T>
    gradcon::Batch<T> forward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                                      gradcon::Batch<T> x_dot) const {
        c_dot.x = x_dot;
        scaled(p, x_dot, c_dot.y);
        for (std::size_t i = 0; i < x_dot.size(); ++i)
            c_dot.y.data()[i] += p_dot.weight.data()[i % channels] * c.x.data()[i];
        return gradcon::Batch<T>(c_dot.y.data(), x_dot.shape());
    }
    template <class T>
    gradcon::Batch<T> backward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                                       gradcon::Batch<T> dy_dot, Params<T>& g_dot) const {
        add_products(c_dot.x, c.dy, g_dot);
        add_products(c.x, dy_dot, g_dot);
        scaled(p, dy_dot, c_dot.dx);
        for (std::size_t i = 0; i < dy_dot.size(); ++i)
            c_dot.dx.data()[i] += p_dot.weight.data()[i % channels] * c.dy.data()[i];
        return gradcon::Batch<T>(c_dot.dx.data(), dy_dot.shape());
    }
};
