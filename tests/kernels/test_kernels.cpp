// Every fast kernel beside its definition, and the adjoint identities <A x, y> = <x, A' y> of the three convolution
// maps.
#include "random_tensors.hpp"

#include <gradcon/kernels/conv2d.hpp>
#include <gradcon/kernels/exp.hpp>
#include <gradcon/kernels/gemm.hpp>
#include <gradcon/kernels/reduce.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace gradcon;
using kernels::Index;

namespace {

/// A random convolution: sizes, and a value for everything that takes part.
template <class T>
struct Case {
    kernels::Window window{};
    Shape large_shape{}, small_shape{};
    Tensor<T, 4> large, small;
    std::vector<T> weight;
    kernels::Packed<T> packed;

    explicit Case(Rng& rng) {
        const auto draw = [&](std::size_t low, std::size_t high) { return low + random_index(rng, high - low + 1); };
        const std::size_t kernel = draw(1, 5), stride = draw(1, 4), padding = draw(0, 5), samples = draw(1, 3);
        const std::size_t widths[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 32, 36, 64, 70};
        const std::size_t a = widths[random_index(rng, 13)], b = widths[random_index(rng, 13)];
        const auto least = kernel > 2 * padding ? kernel - 2 * padding : 1;
        const std::size_t h = draw(least, least + 12), w = draw(least, least + 15);
        window = {static_cast<Index>(kernel), static_cast<Index>(stride), static_cast<Index>(padding)};
        large_shape = {samples, h, w, a};
        small_shape = {samples, (h + 2 * padding - kernel) / stride + 1, (w + 2 * padding - kernel) / stride + 1, b};
        large = random_images<T>(large_shape, rng, -1, 1);
        small = random_images<T>(small_shape, rng, -1, 1);
        weight = random_values<T>(kernel * kernel * a * b, rng);
        kernels::pack(window, static_cast<Index>(a), static_cast<Index>(b), weight.data(), packed);
    }

    kernels::Product<T> gathered() const { return {packed, Batch<T>(large)}; }
    kernels::Product<T> scattered() const { return {packed, Batch<T>(small)}; }
    kernels::ImagePair<T> pair() const { return {Batch<T>(large), Batch<T>(small)}; }

    std::string text() const {
        return message("kernel ", window.kernel, " stride ", window.stride, " padding ", window.padding, " large ",
                       shape_string(large_shape), " small ", shape_string(small_shape));
    }

    /// f(sample offsets, a, b, weight index) for all products of the map
    template <class F>
    void for_each_product(F&& f) const {
        const kernels::Extent l = kernels::extent(TensorView<const T, 4>(large)),
                              s = kernels::extent(TensorView<const T, 4>(small));
        for (Index n = 0; n < static_cast<Index>(large_shape[0]); ++n)
            kernels::for_each_tap(window, l, s, [&](Index x, Index y, Index w) {
                for (Index a = 0; a < l.channels; ++a)
                    for (Index b = 0; b < s.channels; ++b)
                        f(static_cast<std::size_t>(n * l.size() + x + a),
                          static_cast<std::size_t>(n * s.size() + y + b),
                          static_cast<std::size_t>(w + a * s.channels + b));
            });
    }
};

/// Rounding of a sum of `terms` products of values up to 1, each below 1 in magnitude.
template <class T>
double tolerance(std::size_t terms) {
    return 2 * static_cast<double>(terms + 2) * static_cast<double>(std::numeric_limits<T>::epsilon());
}

template <class T>
void check_close(const std::vector<double>& expected, const T* found, double tolerance) {
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(expected[i] - double{found[i]}));
    CHECK(worst <= tolerance);
}

/// A cache line of values behind the end must stay as it was.
template <class T>
struct Guarded {
    std::size_t size;
    std::vector<T> values;
    explicit Guarded(std::size_t count) : size(count), values(count + 32, T{7}) {}
    bool intact() const {
        return std::all_of(values.begin() + static_cast<std::ptrdiff_t>(size), values.end(),
                           [](T v) { return v == T{7}; });
    }
};

} // namespace

TEST_SUITE("kernels") {
    TEST_CASE_TEMPLATE("dot_and_norm equals its definition at every length", T, float, double) {
        Rng rng(1);
        for (std::size_t n = 0; n < 700; n = n < 300 ? n + 1 : n + 97) {
            const auto a = random_values<T>(n, rng), b = random_values<T>(n, rng);
            const auto fast = kernels::dot_and_norm(std::span<const T>(a), std::span<const T>(b));
            const auto naive = kernels::dot_and_norm_naive(std::span<const T>(a), std::span<const T>(b));
            double products = 0; // n roundings of a sum of magnitude at most this, in either of the two
            for (std::size_t i = 0; i < n; ++i) products += std::abs(double{a[i]} * double{b[i]});
            CHECK(std::abs(fast.dot - naive.dot) <= tolerance<T>(n) * products);
            CHECK(std::abs(fast.squared_norm - naive.squared_norm) <= tolerance<T>(n) * naive.squared_norm);
        }
    }

    TEST_CASE("dot_and_norm of a million floats stays exact to the rounding of its short partial sums") {
        const std::vector<float> ones(1'000'003, 1.0F);
        const auto sum = kernels::dot_and_norm(std::span<const float>(ones), std::span<const float>(ones));
        CHECK(sum.dot == 1'000'003.0);
        const std::vector<float> tenths(20'000'000, 0.1F); // a float sum would stop growing at 2^21 or so
        const auto long_sum = kernels::dot_and_norm(std::span<const float>(tenths), std::span<const float>(tenths));
        CHECK(long_sum.squared_norm == doctest::Approx(20'000'000 * double{0.1F} * double{0.1F}).epsilon(1e-6));
    }

    TEST_CASE("the cosine of 16 million floats is right to 3e-8") {
        Rng rng(6);
        std::vector<float> a(16'000'000), b(a.size());
        double dot = 0, squares_a = 0, squares_b = 0;
        for (std::size_t i = 0; i < a.size(); ++i) {
            a[i] = static_cast<float>(static_cast<std::int32_t>(rng())) * 0x1p-31F;
            b[i] = 0.5F * a[i] + static_cast<float>(static_cast<std::int32_t>(rng())) * 0x1p-31F;
            dot += double{a[i]} * double{b[i]};
            squares_a += double{a[i]} * double{a[i]};
            squares_b += double{b[i]} * double{b[i]};
        }
        const auto found = kernels::dot_and_norm(std::span<const float>(a), std::span<const float>(b));
        const auto norm = kernels::dot_and_norm(std::span<const float>(a), std::span<const float>(a));
        const double error =
            cosine(found.dot, norm.squared_norm, found.squared_norm) - cosine(dot, squares_a, squares_b);
        CHECK(std::abs(error) <= 3e-8);
    }

    TEST_CASE("cosine: 0 without a direction, never outside [-1, 1]") {
        CHECK(cosine(0, 0, 1) == 0);
        CHECK(cosine(0, 1, 0) == 0);
        CHECK(cosine(1 + 1e-15, 1, 1) == 1);
        CHECK(cosine(-1 - 1e-15, 1, 1) == -1);
        CHECK(cosine(1e-100, 1e-100, 1e-100) == doctest::Approx(1));
    }

    TEST_CASE("exp of floats: relative error below 1.5e-7, ends held, NaN kept") {
        double worst = 0;
        for (std::uint32_t step = 0; step <= 3'500'000; ++step) {
            const float x = -87.0F + static_cast<float>(step) * 5e-5F;
            const double exact = std::exp(double{x});
            worst = std::max(worst, std::abs(double{kernels::exp(x)} - exact) / exact);
        }
        CHECK(worst < 1.5e-7);
        CHECK(kernels::exp(0.0F) == 1.0F);
        CHECK(kernels::exp(1e30F) == kernels::exp(88.0F));
        CHECK(kernels::exp(-1e30F) == kernels::exp(-87.0F));
        CHECK(kernels::exp(2.0) == std::exp(2.0));
    }

    TEST_CASE_TEMPLATE("sigmoid of a row: each element's bits as alone, and right to 4 roundings", T, float, double) {
        Rng rng(7);
        for (const std::size_t n : {0U, 1U, 3U, 16U, 37U}) {
            auto x = random_values<T>(n, rng, -20, 20);
            if (n > 2) x[2] = std::numeric_limits<T>::quiet_NaN();
            Guarded<T> y(n);
            kernels::sigmoid(x.data(), y.values.data(), n);
            CHECK(y.intact());
            for (std::size_t i = 0; i < n; ++i) {
                if (i == 2) {
                    CHECK(std::isnan(y.values[i]) == std::isnan(x[i]));
                    continue;
                }
                T alone{};
                kernels::sigmoid(x.data() + i, &alone, 1);
                const double exact = 1 / (1 + std::exp(-double{x[i]}));
                CHECK(alone == y.values[i]);
                CHECK(std::abs(double{alone} - exact) <= 4 * double{std::numeric_limits<T>::epsilon()} * exact);
            }
        }
    }

    TEST_CASE_TEMPLATE("gather, scatter and outer_product equal their definition on random windows", T, float, double) {
        Rng rng(2);
        for (int round = 0; round < 60; ++round) {
            const Case<T> c(rng);
            INFO(c.text());
            const std::size_t taps = static_cast<std::size_t>(c.window.kernel * c.window.kernel);
            const auto bias_small = random_values<T>(c.small_shape[3], rng),
                       bias_large = random_values<T>(c.large_shape[3], rng);
            const auto gate_small = random_values<T>(c.small.size(), rng),
                       gate_large = random_values<T>(c.large.size(), rng);
            kernels::Scratch<T> scratch;
            // one product or two; with a bias or not; gated by another image, by the sum itself, or not at all
            for (const std::size_t products : {1U, 2U})
                for (const bool biased : {false, true})
                    for (const auto& [slope, by_image] :
                         {std::pair{T{1}, false}, {T{0}, true}, {T{0}, false}, {T(0.25), true}, {T(0.25), false}}) {
                        const auto finished = [factor = slope, own_gate = by_image](double sum, T gate) {
                            return (own_gate ? gate : sum) > 0 ? sum : factor * sum;
                        };
                        Guarded<T> y(c.small.size()), x(c.large.size());
                        std::vector<double> expected_y(c.small.size()), expected_x(c.large.size());
                        for (std::size_t i = 0; i < expected_y.size() && biased; ++i)
                            expected_y[i] = double{bias_small[i % bias_small.size()]};
                        for (std::size_t i = 0; i < expected_x.size() && biased; ++i)
                            expected_x[i] = double{bias_large[i % bias_large.size()]};
                        c.for_each_product([&](std::size_t l, std::size_t s, std::size_t w) {
                            const double weight = double{c.weight[w]} * static_cast<double>(products);
                            expected_y[s] += double{c.large.data()[l]} * weight;
                            expected_x[l] += double{c.small.data()[s]} * weight;
                        });
                        for (std::size_t i = 0; i < expected_y.size(); ++i)
                            expected_y[i] = finished(expected_y[i], gate_small[i]);
                        for (std::size_t i = 0; i < expected_x.size(); ++i)
                            expected_x[i] = finished(expected_x[i], gate_large[i]);
                        const std::vector gathered(products, c.gathered()), scattered(products, c.scattered());
                        kernels::gather<T>(
                            c.window, gathered,
                            {biased ? bias_small.data() : nullptr, slope, by_image ? gate_small.data() : nullptr},
                            TensorView<T, 4>(y.values.data(), c.small_shape), scratch.values);
                        kernels::scatter<T>(
                            c.window, scattered,
                            {biased ? bias_large.data() : nullptr, slope, by_image ? gate_large.data() : nullptr},
                            TensorView<T, 4>(x.values.data(), c.large_shape), scratch.values);
                        check_close(expected_y, y.values.data(), tolerance<T>(taps * c.large_shape[3]) * 8);
                        check_close(expected_x, x.values.data(), tolerance<T>(taps * c.small_shape[3]) * 8);
                        CHECK(y.intact());
                        CHECK(x.intact());
                    }

            std::vector<double> expected_g(c.weight.size());
            c.for_each_product([&](std::size_t l, std::size_t s, std::size_t w) {
                expected_g[w] += double{c.large.data()[l]} * double{c.small.data()[s]};
            });
            Guarded<T> g(c.weight.size());
            std::fill_n(g.values.begin(), g.size, T{});
            kernels::AddTo<T> add{g.values.data()};
            const std::vector pair(1, c.pair()), twice(2, c.pair());
            kernels::outer_product<T>(c.window, pair, add, scratch);
            const std::size_t positions = c.small_shape[0] * c.small_shape[1] * c.small_shape[2];
            check_close(expected_g, g.values.data(), tolerance<T>(positions) * 4);
            kernels::outer_product<T>(c.window, twice, add, scratch);
            for (double& value : expected_g) value *= 3;
            check_close(expected_g, g.values.data(), tolerance<T>(positions) * 12);
            for (double& value : expected_g) value /= 3;
            CHECK(g.intact());

            const auto reference = random_values<T>(c.weight.size(), rng),
                       mean = random_values<T>(c.weight.size(), rng), weight = random_values<T>(c.weight.size(), rng);
            kernels::DotWithReference<T> align(reference.data());
            kernels::outer_product<T>(c.window, pair, align, scratch);
            kernels::ProfileSums<T> profile({reference.data(), mean.data(), weight.data()});
            kernels::outer_product<T>(c.window, pair, profile, scratch);
            const auto check_sum = [&](double found, auto&& summand) {
                double sum = 0, scale = 1;
                for (std::size_t i = 0; i < expected_g.size(); ++i) {
                    sum += summand(i, expected_g[i]);
                    scale += std::abs(summand(i, expected_g[i]));
                }
                CHECK(std::abs(found - sum) <= tolerance<T>(expected_g.size() + positions) * scale);
            };
            for (const auto& sums : {align.sum(), profile.sum()}) {
                check_sum(sums.dot, [&](std::size_t i, double gradient) { return gradient * double{reference[i]}; });
                check_sum(sums.squared_norm, [&](std::size_t, double gradient) { return gradient * gradient; });
            }
            check_sum(profile.sum().mean_dot,
                      [&](std::size_t i, double gradient) { return gradient * double{mean[i]}; });
            check_sum(profile.sum().weighted_square,
                      [&](std::size_t i, double gradient) { return gradient * gradient * double{weight[i]}; });
        }
    }

    TEST_CASE("adjoint identities hold to rounding: <gather x, y> = <x, scatter y> = <weight, x (x) y>") {
        Rng rng(3);
        for (int round = 0; round < 60; ++round) {
            const Case<double> c(rng);
            INFO(c.text());
            auto y = c.small;
            auto x = c.large;
            kernels::Scratch<double> scratch;
            const std::vector gathered(1, c.gathered()), scattered(1, c.scattered());
            const std::vector pair(1, c.pair());
            kernels::gather<double>(c.window, gathered, {}, y, scratch.values);
            kernels::scatter<double>(c.window, scattered, {}, x, scratch.values);
            std::vector<double> g(c.weight.size());
            kernels::AddTo<double> add{g.data()};
            kernels::outer_product<double>(c.window, pair, add, scratch);
            const double a = dot(y, c.small), b = dot(c.large, x), w = dot(g, c.weight);
            const double rounding = 1e-13 * (1 + norm(y) * norm(c.small) + norm(g) * norm(c.weight));
            CHECK(std::abs(a - b) <= rounding);
            CHECK(std::abs(a - w) <= rounding);
        }
    }

    TEST_CASE("a sample's bits are the same alone and in a batch") {
        Rng rng(4);
        for (int round = 0; round < 20; ++round) {
            const Case<float> c(rng);
            Tensor<float, 4> all = c.small, alone = c.small;
            AlignedVector<float> scratch;
            const std::vector gathered(1, c.gathered());
            kernels::gather<float>(c.window, gathered, {}, all, scratch);
            const TensorView<float, 4> one(alone);
            for (std::size_t n = 0; n < c.large_shape[0]; ++n) {
                const kernels::Product<float> sample{c.packed, Batch<float>(c.large).slice(n, 1)};
                kernels::gather<float>(c.window, {&sample, 1}, {}, one.slice(n, 1), scratch);
            }
            CHECK(std::equal(all.begin(), all.end(), alone.begin()));
        }
    }

    TEST_CASE("add_transposed_product equals its definition") {
        Rng rng(5);
        for (const auto& [rows, m, n] : {std::array<std::size_t, 3>{1, 1, 1}, {5, 3, 7}, {16, 33, 20}, {0, 2, 2}}) {
            const auto a = random_values<double>(rows * m, rng), b = random_values<double>(rows * n, rng);
            auto c = random_values<double>(m * n, rng), expected = c;
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t i = 0; i < m; ++i)
                    for (std::size_t j = 0; j < n; ++j) expected[i * n + j] += a[r * m + i] * b[r * n + j];
            kernels::add_transposed_product(a.data(), b.data(), c.data(), rows, m, n);
            check_close(expected, c.data(), 1e-14 * static_cast<double>(rows + 1));
        }
    }
}
