#include "random_tensors.hpp"

#include <gradcon/testing/check_gradient.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace gradcon;
using testing::check_gradient;

namespace {

template <class L>
void check_passes(const L& layer, const Shape& shape) {
    const auto check = check_gradient(layer, shape);
    INFO(shape_string(shape), ": ", check.message);
    CHECK(check.passed);
}

/// The reduction of one sample's gradient must be the sums of the gradient that backward gives.
template <class L>
void check_reduction(const L& layer, const Shape& shape) {
    Rng rng(7);
    using Params = typename L::template Params<double>;
    const Params p = layer.template init<double>(rng);
    Params reference = p, mean = p, weight = p, g = zeros_like(p), room = zeros_like(p);
    randomize(reference, rng);
    randomize(mean, rng);
    randomize(weight, rng);
    packed_t<L, double> packed{};
    pack(layer, p, packed);
    typename L::template Cache<double> cache{}, cache_reduce{};
    const auto x = random_images<double>(shape, rng, -1, 1);
    const auto dy = random_images<double>(layer.output_shape(shape), rng, -1, 1);
    layer.forward(packed, Batch<double>(x), cache);
    layer.forward(packed, Batch<double>(x), cache_reduce);
    const Batch<double> dx = layer.backward(packed, cache, Batch<double>(dy), g);
    const auto check = [&](bool with_profile) {
        std::vector<kernels::Reduction<double>> reductions;
        for_each_tensor(
            [&](const auto& r, const auto& m, const auto& w) {
                reductions.push_back({r.data(), with_profile ? m.data() : nullptr, with_profile ? w.data() : nullptr});
            },
            reference, mean, weight);
        const Batch<double> dx_reduce =
            backward_reduce(layer, packed, cache_reduce, Batch<double>(dy), room, std::span(reductions), true);
        CHECK(std::equal(dx.data(), dx.data() + dx.size(), dx_reduce.data()));
        std::size_t i = 0;
        for_each_tensor(
            [&](const auto& gradient, const auto& r, const auto& m, const auto& w) {
                kernels::GradientSums expected;
                for (std::size_t e = 0; e < gradient.size(); ++e) {
                    const double value = gradient.data()[e];
                    expected.dot += r.data()[e] * value;
                    expected.squared_norm += value * value;
                    expected.mean_dot += with_profile ? m.data()[e] * value : 0;
                    expected.weighted_square += with_profile ? w.data()[e] * value * value : 0;
                }
                const kernels::GradientSums& found = reductions[i++].sum;
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
        Tensor<T, 1> weight;
        template <class Self>
        static auto fields(Self& s) {
            return std::tie(s.weight);
        }
        static constexpr std::array<const char*, 1> field_names{"weight"};
    };
    template <class T>
    struct Cache {
        Batch<T> x, dy;
        Tensor<T, 4> y, dx;
    };
    Shape output_shape(const Shape& x) const { return x; }
    template <class T>
    Params<T> init(Rng& rng) const {
        Params<T> p;
        p.weight.resize({channels});
        randomize(p, rng);
        return p;
    }
    template <class T>
    Batch<T> scaled(const Params<T>& p, Batch<T> from, Tensor<T, 4>& to) const {
        const auto view = reserve(to, from.shape());
        for (std::size_t i = 0; i < from.size(); ++i) view.data()[i] = p.weight.data()[i % channels] * from.data()[i];
        return view;
    }
    template <class T>
    void add_products(Batch<T> a, Batch<T> b, Params<T>& g) const {
        for (std::size_t i = 0; i < a.size(); ++i) g.weight.data()[i % channels] += a.data()[i] * b.data()[i];
    }
    template <class T>
    Batch<T> forward(const Params<T>& p, Batch<T> x, Cache<T>& c) const {
        return scaled(p, c.x = x, c.y);
    }
    template <class T>
    Batch<T> backward(const Params<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        add_products(c.x, c.dy = dy, g);
        return scaled(p, dy, c.dx);
    }
    template <class T>
    Batch<T> forward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot,
                             Batch<T> x_dot) const {
        c_dot.x = x_dot;
        scaled(p, x_dot, c_dot.y);
        for (std::size_t i = 0; i < x_dot.size(); ++i)
            c_dot.y.data()[i] += p_dot.weight.data()[i % channels] * c.x.data()[i];
        return Batch<T>(c_dot.y.data(), x_dot.shape());
    }
    template <class T>
    Batch<T> backward_tangent(const Params<T>& p, const Params<T>& p_dot, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              Params<T>& g_dot) const {
        add_products(c_dot.x, c.dy, g_dot);
        add_products(c.x, dy_dot, g_dot);
        scaled(p, dy_dot, c_dot.dx);
        for (std::size_t i = 0; i < dy_dot.size(); ++i)
            c_dot.dx.data()[i] += p_dot.weight.data()[i % channels] * c.dy.data()[i];
        return Batch<T>(c_dot.dx.data(), dy_dot.shape());
    }
};

/// The same with a mistake in one pass: check_gradient must notice.
struct WrongTangent : Gain {
    template <class T>
    Batch<T> backward_tangent(const Params<T>& p, const Params<T>&, Cache<T>& c, Cache<T>& c_dot, Batch<T> dy_dot,
                              Params<T>& g_dot) const {
        add_products(c_dot.x, c.dy, g_dot);
        return scaled(p, dy_dot, c_dot.dx);
    }
};
struct WrongGradient : Gain {
    template <class T>
    Batch<T> backward(const Params<T>& p, Cache<T>& c, Batch<T> dy, Params<T>& g) const {
        add_products(c.x, c.dy = dy, g);
        return scaled(p, scaled(p, dy, c.y), c.dx);
    }
};

} // namespace

TEST_SUITE("layers") {
    TEST_CASE("all passes of every layer agree with central differences") {
        check_passes(Linear{5, 3}, {4, 1, 1, 5});
        check_passes(Linear{33, 18}, {3, 1, 1, 33});
        check_passes(ReLU{}, {2, 3, 4, 5});
        check_passes(LeakyReLU{0.2}, {2, 3, 4, 5});
        check_passes(Sigmoid{}, {2, 3, 4, 5});
        check_passes(Tanh{}, {2, 3, 4, 5});
        check_passes(Flatten{}, {2, 3, 4, 5});
        check_passes(Unflatten{3, 4, 5}, {2, 1, 1, 60});
        check_passes(Gain{3}, {2, 5, 5, 3});
    }

    TEST_CASE("convolutions on random sizes, strides and paddings") {
        Rng rng(11);
        for (int round = 0; round < 40; ++round) {
            const std::size_t k = 1 + random_index(rng, 5), s = 1 + random_index(rng, 4), p = random_index(rng, 4);
            const std::size_t in = 1 + random_index(rng, 9), out = 1 + random_index(rng, 9);
            const std::size_t least = k > 2 * p ? k - 2 * p : 1, h = least + random_index(rng, 6),
                              w = least + random_index(rng, 7);
            INFO("kernel ", k, " stride ", s, " padding ", p, " channels ", in, " to ", out);
            check_passes(Conv2d{in, out, {.kernel_size = k, .stride = s, .padding = p}}, {2, h, w, in});
            const std::size_t smallest = 2 * p >= k ? (2 * p - k) / s + 2 : 1;
            const ConvTranspose2d transposed{in,
                                             out,
                                             {.kernel_size = k,
                                              .stride = s,
                                              .padding = p,
                                              .output_padding = {random_index(rng, s), random_index(rng, s)}}};
            check_passes(transposed, {2, smallest + random_index(rng, 3), smallest + random_index(rng, 4), in});
        }
    }

    TEST_CASE("sequences and chains of layers, alike to the last bit") {
        const Conv2d conv{2, 3, {.kernel_size = 3, .stride = 2, .padding = 1}};
        const ConvTranspose2d back{3, 2, {.kernel_size = 4, .stride = 2, .padding = 1}};
        const Sequential sequential{conv, Tanh{}, back, Sigmoid{}};
        const Chain chain{{conv, Tanh{}, back, Sigmoid{}}};
        check_passes(sequential, {2, 6, 5, 2});
        check_passes(chain, {2, 6, 5, 2});
        Rng rng(3), same(3);
        const auto p = sequential.init(rng);
        const auto q = chain.init(same);
        const auto x = random_images<float>({2, 6, 5, 2}, rng);
        Sequential<Conv2d, Tanh, ConvTranspose2d, Sigmoid>::Packed<float> packed;
        Chain::Packed<float> packed_chain;
        sequential.pack(p, packed);
        chain.pack(q, packed_chain);
        Sequential<Conv2d, Tanh, ConvTranspose2d, Sigmoid>::Cache<float> cache;
        Chain::Cache<float> cache_chain;
        const Batch<float> a = sequential.forward(packed, Batch<float>(x), cache),
                           b = chain.forward(packed_chain, Batch<float>(x), cache_chain);
        CHECK(a.shape() == b.shape());
        CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
    }

    TEST_CASE("a rectifier fused with its neighbours does what it does apart") {
        for (const double slope : {0.0, 0.25, -0.5}) { // the last turns signs, so it is never fused
            INFO(slope);
            const Conv2d first(2, 5, {.stride = 2, .padding = 1});
            const ConvTranspose2d second(5, 2, {.kernel_size = 4, .stride = 2, .padding = 1});
            const Linear third(2 * 6 * 6, 7);
            const Sequential fused{first, LeakyReLU{slope}, second, ReLU{}, Flatten{}, LeakyReLU{slope}, third, ReLU{}};
            // what stands in a sequence of its own has no neighbours
            const Sequential apart{first,     Sequential{LeakyReLU{slope}}, second, Sequential{ReLU{}},
                                   Flatten{}, Sequential{LeakyReLU{slope}}, third,  Sequential{ReLU{}}};
            const Shape shape{3, 6, 6, 2};
            const auto run = [&](const auto& layers) {
                Rng rng(8);
                using L = std::remove_cvref_t<decltype(layers)>;
                using Params = typename L::template Params<double>;
                const Params p = layers.template init<double>(rng);
                Params p_dot = p, g = zeros_like(p), g_dot = g;
                randomize(p_dot, rng);
                packed_t<L, double> packed, packed_dot;
                pack(layers, p, packed);
                pack(layers, p_dot, packed_dot);
                const auto x = random_images<double>(shape, rng, -1, 1),
                           x_dot = random_images<double>(shape, rng, -1, 1);
                const auto dy = random_images<double>(layers.output_shape(shape), rng, -1, 1);
                typename L::template Cache<double> c, c_dot;
                std::vector<double> all;
                const auto append = [&](Batch<double> batch) {
                    all.insert(all.end(), batch.data(), batch.data() + batch.size());
                };
                append(layers.forward(packed, Batch<double>(x), c));
                append(layers.backward(packed, c, Batch<double>(dy), g));
                append(layers.forward_tangent(packed, packed_dot, c, c_dot, Batch<double>(x_dot)));
                append(layers.backward_tangent(packed, packed_dot, c, c_dot, Batch<double>(dy), g_dot));
                for_each_tensor([&](const auto& t) { all.insert(all.end(), t.begin(), t.end()); }, g);
                for_each_tensor([&](const auto& t) { all.insert(all.end(), t.begin(), t.end()); }, g_dot);
                return all;
            };
            const auto a = run(fused), b = run(apart);
            decltype(fused)::Cache<double> cache;
            Rng rng(8);
            decltype(fused)::Packed<double> packed;
            pack(fused, fused.init<double>(rng), packed);
            fused.forward(packed, Batch<double>(random_images<double>(shape, rng)), cache);
            CHECK(std::get<1>(cache.layers).forward_fused == (slope >= 0)); // that it was fused at all
            CHECK(std::get<1>(cache.layers).backward_fused == (slope >= 0));
            CHECK(!std::get<5>(cache.layers).forward_fused); // Flatten stands before it
            CHECK(!std::get<7>(cache.layers).backward_fused);
            REQUIRE(a.size() == b.size());
            for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-12 * (1 + std::abs(b[i])));
        }
    }

    TEST_CASE("an input that stays as it is has the tangents of a zero x_dot") {
        const auto check = [](const auto& layers) {
            Rng rng(9);
            using L = std::remove_cvref_t<decltype(layers)>;
            using Params = typename L::template Params<double>;
            const Shape shape{2, 6, 5, 3};
            const Params p = layers.template init<double>(rng);
            Params p_dot = p, g = zeros_like(p), g_dot = g, g_dot_zero = g;
            randomize(p_dot, rng);
            packed_t<L, double> packed, packed_dot;
            pack(layers, p, packed);
            pack(layers, p_dot, packed_dot);
            const auto x = random_images<double>(shape, rng, -1, 1);
            const auto dy = random_images<double>(layers.output_shape(shape), rng, -1, 1);
            typename L::template Cache<double> c, c_dot, c_zero;
            Tensor<double, 4> room, zeros;
            layers.forward(packed, Batch<double>(x), c);
            layers.backward(packed, c, Batch<double>(dy), g);
            const auto y = forward_tangent_parameters(layers, packed, packed_dot, c, c_dot, shape, room);
            const auto y_zero = layers.forward_tangent(packed, packed_dot, c, c_zero, zero_batch(zeros, shape));
            const auto dx = layers.backward_tangent(packed, packed_dot, c, c_dot, Batch<double>(dy), g_dot);
            const auto dx_zero = layers.backward_tangent(packed, packed_dot, c, c_zero, Batch<double>(dy), g_dot_zero);
            CHECK(std::equal(y.data(), y.data() + y.size(), y_zero.data()));
            CHECK(std::equal(dx.data(), dx.data() + dx.size(), dx_zero.data()));
            CHECK(relative_error(elements(std::get<0>(g_dot.layers).weight),
                                 elements(std::get<0>(g_dot_zero.layers).weight)) <= 1e-15);
        };
        check(Sequential{Conv2d(3, 4, {}), Tanh{}});
        check(Sequential{ConvTranspose2d(3, 20, {.stride = 2}), ReLU{}});
        check(Sequential{Gain{3}, Conv2d(3, 2, {})});
    }

    TEST_CASE("reductions equal the dot and norm of the gradient that backward stores") {
        check_reduction(Linear{20, 9}, {1, 1, 1, 20});
        check_reduction(Conv2d{3, 8, {.kernel_size = 4, .stride = 2, .padding = 2}}, {1, 9, 10, 3});
        check_reduction(ConvTranspose2d{8, 3, {.kernel_size = 4, .stride = 2, .padding = 1}}, {1, 4, 5, 8});
        check_reduction(Gain{3}, {1, 4, 4, 3});
        check_reduction(Sequential{Conv2d{2, 5, {.kernel_size = 3}}, Tanh{}, Gain{5}, Flatten{}, Linear{20, 4}},
                        {1, 4, 4, 2});
        check_reduction(Chain{{Conv2d{2, 5, {.kernel_size = 3}}, Tanh{}, Flatten{}, Linear{20, 4}, Unflatten{2, 2, 1}}},
                        {1, 4, 4, 2});
    }

    TEST_CASE("check_gradient notices a wrong backward and a wrong tangent") {
        CHECK(!check_gradient(WrongTangent{{3}}, {2, 5, 5, 3}).passed);
        const auto wrong = check_gradient(WrongGradient{{3}}, {2, 5, 5, 3});
        CHECK(!wrong.passed);
        CHECK(wrong.backward > 1e-3);
        CHECK(wrong.message.find("backward") != std::string::npos);
    }

    TEST_CASE("Linear is the matrix product") {
        Rng rng(5);
        const Linear layer{7, 5};
        const auto p = layer.init<double>(rng);
        const auto x = random_images<double>({3, 1, 1, 7}, rng, -1, 1);
        Linear::Packed<double> packed;
        layer.pack(p, packed);
        Linear::Cache<double> cache;
        const auto y = layer.forward(packed, Batch<double>(x), cache);
        for (std::size_t n = 0; n < 3; ++n)
            for (std::size_t o = 0; o < 5; ++o) {
                double sum = p.bias(o);
                for (std::size_t i = 0; i < 7; ++i) sum += x.data()[n * 7 + i] * p.weight(i, o);
                CHECK(y.data()[n * 5 + o] == doctest::Approx(sum).epsilon(1e-14));
            }
    }

    TEST_CASE("Flatten has PyTorch's order: channel, row, column") {
        Rng rng(6);
        const auto x = random_images<float>({1, 2, 3, 2}, rng);
        Flatten::Cache<float> cache;
        const auto y = Flatten{}.forward({}, Batch<float>(x), cache);
        CHECK(y.shape() == Shape{1, 1, 1, 12});
        CHECK(y.data()[0] == x(0, 0, 0, 0));
        CHECK(y.data()[1] == x(0, 0, 1, 0));
        CHECK(y.data()[6] == x(0, 0, 0, 1));
        CHECK(y.data()[11] == x(0, 1, 2, 1));
    }

    TEST_CASE("activations at and around their special points") {
        CHECK(ReLU{}.value(0.0F) == 0);
        CHECK(ReLU{}.derivative(0.0F, 0.0F) == 0); // as in PyTorch
        CHECK(ReLU{}.value(-1.0) == 0);
        CHECK(LeakyReLU{}.value(-1.0) == doctest::Approx(-0.01));
        CHECK(Sigmoid{}.value(-1000.0F) < 1e-37);
        CHECK(Sigmoid{}.value(-1000.0) == 0);
        CHECK(Sigmoid{}.value(1000.0F) == 1);
        CHECK(Sigmoid{}.value(0.0) == 0.5);
    }

    TEST_CASE("wrong options and shapes are refused by name") {
        CHECK(throws_naming<ValueError>([] { Conv2d(0, 1, {}); }, {"Conv2d", "in_channels 0"}));
        CHECK(throws_naming<ValueError>([] { Conv2d(1, 1, {.kernel_size = 3, .stride = 0}); }, {"stride 0"}));
        CHECK(throws_naming<ValueError>([] { Linear(3, 0); }, {"Linear", "3 and 0"}));
        CHECK(throws_naming<ValueError>(
            [] {
                ConvTranspose2d(1, 1, {.kernel_size = 4, .stride = 2, .padding = 1, .output_padding = {0, 2}});
            },
            {"output_padding 0 2", "stride 2"}));
        const Conv2d conv{3, 4, {.kernel_size = 5}};
        CHECK(throws_naming<ShapeError>([&] { conv.output_shape({1, 5, 5, 1}); }, {"x 3", "1 x 5 x 5 x 1"}));
        CHECK(throws_naming<ShapeError>([&] { conv.output_shape({1, 4, 9, 3}); }, {"at least 5", "1 x 4 x 9 x 3"}));
        const ConvTranspose2d back{3, 4, {.kernel_size = 2, .stride = 1, .padding = 1}};
        CHECK(throws_naming<ShapeError>([&] { back.output_shape({1, 1, 1, 3}); }, {"padding of 1"}));
        const Linear linear{4, 2};
        CHECK(throws_naming<ShapeError>([&] { linear.output_shape({1, 2, 2, 1}); }, {"N x 1 x 1 x 4", "Flatten"}));
        const Unflatten unflatten{2, 2, 3};
        CHECK(throws_naming<ShapeError>([&] { unflatten.output_shape({1, 1, 1, 11}); }, {"12", "1 x 1 x 1 x 11"}));
    }

    TEST_CASE("the paper's network: parameter counts, shapes, PyTorch's initial range") {
        Rng rng(0);
        const auto grey = models::paper_cae(1).init(rng);
        CHECK(parameter_count(grey) == 230'721);
        CHECK(parameter_count(models::paper_cae(3).init(rng)) == 232'771);
        std::set<std::string> names;
        for_each_named_tensor([&](const std::string& name, const auto&) { names.insert(name); }, grey);
        CHECK(names.size() == 16);
        CHECK(names.contains("encoder.6.weight"));
        CHECK(names.contains("decoder.0.bias"));
        // fan_in is 64 * 16 for the first decoder layer: its weight is [in, out, k, k] in PyTorch, which takes `out`.
        const double bound = 1 / std::sqrt(64.0 * 16);
        const auto& weight = std::get<0>(grey.decoder.layers).weight;
        const auto [low, high] = std::ranges::minmax_element(elements(weight));
        CHECK(double{*high} <= bound);
        CHECK(double{*low} >= -bound);
        CHECK(double{*high} > 0.99 * bound);
        CHECK(double{*low} < -0.99 * bound);
        CHECK(models::paper_cae(1).encoder.output_shape({2, 28, 28, 1}) == Shape{2, 3, 3, 64});
    }

    TEST_CASE("paper_cae refuses sizes that it cannot give back, naming the nearest that fit") {
        const auto model = models::paper_cae(1);
        for (const std::size_t size : {28U, 44U, 60U, 252U}) CHECK_NOTHROW(model.check_shape({1, size, 28, 1}));
        CHECK(throws_naming<ShapeError>(
            [&] {
                model.check_shape({1, 64, 28, 1});
            },
            {"60 or 76", "width: 28", "1 x 60 x 28 x 1"}));
        CHECK(throws_naming<ShapeError>([&] { model.check_shape({1, 3, 28, 1}); }, {"12"}));
        CHECK(throws_naming<ShapeError>([&] { model.check_shape({1, 28, 28, 3}); }, {"x 1", "1 x 28 x 28 x 3"}));
    }

    TEST_CASE("cae gives back any size") {
        Rng rng(1);
        for (const auto& [h, w, c] :
             {std::array<std::size_t, 3>{1, 1, 1}, {28, 28, 1}, {13, 22, 3}, {64, 48, 4}, {5, 97, 2}}) {
            const auto model = models::cae({.height = h, .width = w, .channels = c, .widths = {4, 6}});
            CHECK_NOTHROW(model.check_shape({2, h, w, c}));
            CHECK(model.output_shape({2, h, w, c}) == Shape{2, h, w, c});
        }
        CHECK_THROWS_AS(models::cae({.height = 0}), ValueError);
        CHECK_THROWS_AS(models::cae({.widths = {}}), ValueError);
        CHECK_THROWS_AS(models::cae({.widths = {4, 0}}), ValueError);
    }

    TEST_CASE("He's initialisation has weights sqrt(6) times PyTorch's, and its biases") {
        const auto model = models::paper_cae(1);
        Rng rng(3);
        const auto params = model.init(rng);
        auto larger = params;
        scale_to_he(larger);
        for_each_tensor(
            [](const auto& a, const auto& b) {
                const double factor = rank(a) == 4 ? std::sqrt(6.0) : 1;
                for (std::size_t i = 0; i < a.size(); i += 7)
                    CHECK(double{b.data()[i]} == doctest::Approx(factor * double{a.data()[i]}).epsilon(1e-6));
            },
            params, larger);
    }
}
