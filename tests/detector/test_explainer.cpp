// Why a sample scores as it does: maps in the picture's own size, against central differences of the verdict's score in
// the picture's own pixels and against plain formulas.
#include "dense_matrix.hpp"
#include "kernels_once.hpp"
#include "random_detector.hpp"

#include <gradcon/detector/explainer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <variant>
#include <vector>

using namespace gradcon;

namespace {

using Size = std::array<std::size_t, 2>;

constexpr std::array network_orders{PixelOrder::gray, PixelOrder::rgb, PixelOrder::bgr};
constexpr std::array orders{PixelOrder::gray, PixelOrder::rgb, PixelOrder::bgr, PixelOrder::rgba, PixelOrder::bgra};
/// Larger than the network's 7 x 6, equal, smaller, one axis of each; one pixel.
constexpr std::array sizes{Size{17, 13}, Size{7, 6}, Size{4, 3}, Size{3, 16}, Size{1, 1}};

Conv2d conv(std::size_t in, std::size_t out) { return {in, out, {.kernel_size = 4, .stride = 2, .padding = 2}}; }
ConvTranspose2d back(std::size_t in, std::size_t out, std::array<std::size_t, 2> output_padding) {
    return {in, out, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = output_padding}};
}
/// 7 x 6 to 4 x 4 to 3 x 3 and back, without kinks.
Autoencoder<Chain, Chain> smooth(std::size_t channels) {
    return {Chain{{conv(channels, 4), Tanh{}, conv(4, 3), Tanh{}}},
            Chain{{back(3, 4, {0, 0}), Tanh{}, back(4, channels, {1, 0}), Sigmoid{}}}};
}
Autoencoder<Chain, Chain> smooth_mlp() {
    return {Chain{{Linear{6, 5}, Tanh{}, Linear{5, 3}}}, Chain{{Linear{3, 5}, Tanh{}, Linear{5, 6}}}};
}

enum class Rule { gradcon, recommended, conformal };

/// A calibrated detector with all statistics; the normal samples are noise.
template <class T>
Detector<T> make_detector(const Autoencoder<Chain, Chain>& model, const Input& input, Rule rule) {
    const Shape sample = sample_shape(input);
    auto t = random_detector<T>(model, {12, sample[1], sample[2], sample[3]}, {.beta = 0.5});
    auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
    const Scores normal = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
    constexpr std::array terms{Statistic::code_distance, Statistic::cosine};
    AnyScoreRule score_rule = GradConScore{};
    if (rule == Rule::recommended) score_rule = recommended_score(normal);
    if (rule == Rule::conformal) score_rule = ConformalSum::fit(terms, normal);
    const Calibration calibration(scores_by(score_rule, normal), 0.25);
    return Detector<T>(TrainedModel<T>{t.model, t.params, t.policy, profile, score_rule, input, calibration, {}});
}

const ImageInput image_input{.height = 7, .width = 6, .offset = -0.5, .scale = 1.75};
template <class T>
Detector<T> of_pictures(PixelOrder order, Rule rule = Rule::recommended) {
    ImageInput input = image_input;
    input.order = order;
    return make_detector<T>(smooth(input.channels()), input, rule);
}
const TableInput table_input{.means = {1, -2, 0.1}, .deviations = {0.5, 3, 1.0 / 3}, .window = 2};
template <class T>
Detector<T> of_rows(Rule rule = Rule::recommended) {
    return make_detector<T>(smooth_mlp(), table_input, rule);
}

constexpr std::size_t layouts = 4; // packed, padded rows from below, planes, mirrored and every second pixel

/// A picture with memory of its own. Floats are multiples of 2^-12, to which steps of 2^-14 are added exactly.
template <class P>
struct Picture {
    std::vector<P> memory;
    ImageView<P> view;

    Picture(const Size& size, PixelOrder order, std::size_t layout = 0) : memory(4000, P{0}) {
        const auto height = static_cast<std::ptrdiff_t>(size[0]), width = static_cast<std::ptrdiff_t>(size[1]),
                   channels = static_cast<std::ptrdiff_t>(channel_count(order));
        view = {.data = memory.data(), .height = size[0], .width = size[1], .order = order};
        if (layout == 1) view.row_stride = -(width * channels + 3), view.data -= (height - 1) * view.row_stride;
        if (layout == 2) view.row_stride = width, view.pixel_stride = 1, view.channel_stride = height * width;
        if (layout == 3) {
            view.pixel_stride = -2 * channels, view.row_stride = 2 * width * channels;
            view.data -= (width - 1) * view.pixel_stride;
        }
        Rng rng(4);
        for (std::size_t y = 0; y < size[0]; ++y)
            for (std::size_t x = 0; x < size[1]; ++x) {
                std::array<P, 4> levels{}; // red, green, blue, alpha; gray is red
                for (P& level : levels)
                    level = std::is_same_v<P, float>
                                ? static_cast<P>(static_cast<float>(500 + random_index(rng, 3000)) / 4096)
                                : static_cast<P>(random_index(rng, std::size_t{1} << 8 * sizeof(P)));
                for (std::size_t k = 0; k < channel_count(order); ++k) at(y, x, k) = levels[colour(k)];
            }
    }
    Picture(const Picture&) = delete;
    Picture& operator=(const Picture&) = delete;

    /// Which of red, green, blue and alpha number k of a pixel is.
    std::size_t colour(std::size_t k) const {
        const bool blue_first = view.order == PixelOrder::bgr || view.order == PixelOrder::bgra;
        return blue_first && k < 3 ? 2 - k : k;
    }
    P& at(std::size_t y, std::size_t x, std::size_t k) {
        const P* number = view.row(y) + static_cast<std::ptrdiff_t>(x) * view.pixel_step() +
                          static_cast<std::ptrdiff_t>(k) * view.channel_step();
        return memory[static_cast<std::size_t>(number - memory.data())];
    }
};

/// The derivative in number k of a picture's pixel, of which the map has those in the network's colours: a gray pixel
/// is all three of them, and three make a gray one by their weights.
template <class T>
double slope_of_number(const Explanation<T>& e, PixelOrder network, const Picture<float>& picture, std::size_t y,
                       std::size_t x, std::size_t k) {
    const auto in_colour = [&](std::size_t c) { return double{e.attribution(0, y, x, c)}; };
    const std::size_t colour = picture.colour(k);
    if (picture.view.order == PixelOrder::gray)
        return network == PixelOrder::gray ? in_colour(0) : in_colour(0) + in_colour(1) + in_colour(2);
    if (colour == 3) return 0; // alpha
    if (network == PixelOrder::gray) return std::array{19595.0, 38470.0, 7471.0}[colour] / 65536 * in_colour(0);
    return in_colour(network == PixelOrder::bgr ? 2 - colour : colour);
}

template <class T>
double norm(std::span<const T> values) {
    double sum = 0;
    for (const T value : values) sum += double{value} * double{value};
    return std::sqrt(sum);
}
template <class T>
double norm(const Tensor<T, 4>& values) {
    return norm(std::span<const T>(values.data(), values.size()));
}

/// The slope by central differences D(h) and D(2h) of score(step), and what it may be off by, as in
/// test_attribution.cpp: the error of D(h) is h^2/6 of the third derivative, for small h a third of D(h) - D(2h), and
/// the rounding of two scores over h. A score rounds as if the numbers that the network takes were changed by 500
/// epsilon.
template <class T, class Score>
void check_slope(double found, double h, const Explanation<T>& e, const std::vector<T>& slope, Score&& score) {
    const double near = (score(h) - score(-h)) / (2 * h), far = (score(2 * h) - score(-2 * h)) / (4 * h);
    const double rounding = 500 * std::numeric_limits<double>::epsilon() *
                            (norm(e.sample) * norm(std::span(slope)) + std::abs(e.verdict.score)) / h;
    const double tolerance = std::abs(near - far) + rounding;
    CHECK(tolerance < 1e-5 * norm(e.attribution));
    CHECK(std::abs(found - near) <= tolerance);
}

bool same(const Verdict& a, const Verdict& b) {
    return a.score == b.score && a.p_value == b.p_value && a.anomalous == b.anomalous &&
           a.reconstruction_error == b.reconstruction_error && std::ranges::equal(a.cosine, b.cosine);
}
template <class T>
bool same(const Tensor<T, 4>& a, const Tensor<T, 4>& b) {
    return std::ranges::equal(a.shape(), b.shape()) && std::equal(a.begin(), a.end(), b.begin());
}
template <class T>
bool same_maps(const Explanation<T>& a, const Explanation<T>& b) {
    return a.sample_shape == b.sample_shape && a.map_shape == b.map_shape && same(a.sample, b.sample) &&
           same(a.reconstruction, b.reconstruction) && same(a.residual, b.residual) &&
           same(a.attribution, b.attribution);
}

/// With a workspace and an explanation of its own; without the cosines, which would be in the workspace.
template <class T, class Sample>
Explanation<T> explained(const Explainer<T>& explainer, const Sample& sample) {
    auto w = explainer.workspace();
    Explanation<T> e;
    explainer.explain(sample, w, e);
    e.verdict.cosine = {};
    return e;
}

/// What the network gives back.
template <class T>
std::vector<T> forward(const TrainedModel<T>& trained, Batch<T> x) {
    using Model = typename TrainedModel<T>::Model;
    typename Model::template Packed<T> packed;
    trained.model.pack(trained.params, packed);
    Chain::Cache<T> encoder, decoder;
    const Batch<T> y = trained.model.decoder.forward(
        packed.decoder, trained.model.encoder.forward(packed.encoder, x, encoder), decoder);
    return {y.data(), y.data() + y.size()};
}

/// All of an explanation of a picture but the verdict, by plain formulas.
template <class T, class P>
void check_maps(const Explainer<T>& explainer, const ImageView<P>& picture) {
    const Detector<T>& detector = explainer.detector();
    const auto [one, height, width, channels] = detector.shape();
    auto w = explainer.workspace();
    Explanation<T> e;
    explainer.explain(picture, w, e);
    constexpr double epsilon = std::numeric_limits<T>::epsilon(), weight_error = 0x1p-23;

    auto own = detector.workspace();
    const Batch<T> x = detector.prepare(picture, own);
    CHECK(e.sample_shape == detector.shape());
    CHECK(e.sample.size() == x.size());
    CHECK(std::equal(e.sample.begin(), e.sample.end(), x.data()));

    // x + (y - x): four roundings of the difference, half an epsilon each, and one of the sum.
    const auto y = forward(detector.trained(), x);
    std::vector<double> difference(height * width);
    double largest = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
        const double d = double{y[i]} - double{x.data()[i]};
        CHECK(std::abs(double{e.reconstruction.data()[i]} - double{y[i]}) <=
              epsilon * (2 * std::abs(d) + std::abs(double{y[i]})));
        difference[i / channels] += d * d / static_cast<double>(channels);
    }
    for (const double d : difference) largest = std::max(largest, d);

    // Each of the weights along either axis is rounded by 2^-23 at most, sums of so many and of the channels by as many
    // epsilons, a square by 5 of them.
    const auto rows = dense_matrix(height, picture.height), columns = dense_matrix(width, picture.width);
    const double numbers = static_cast<double>(height + width + channels);
    CHECK(std::ranges::equal(e.residual.shape(), Shape{1, picture.height, picture.width, 1}));
    double worst = 0;
    for (std::size_t i = 0; i < e.residual.size(); ++i) {
        double expected = 0;
        for (std::size_t k = 0; k < difference.size(); ++k)
            expected += rows[i / picture.width][k / width] * columns[i % picture.width][k % width] * difference[k];
        worst = std::max(worst, std::abs(double{e.residual.data()[i]} - expected));
    }
    CHECK(worst <= largest * (numbers * weight_error + (numbers + 5) * epsilon));

    // The adjoint, which has the same errors of what the slope's numbers sum to.
    auto attribution = Attribution{detector.scorer()};
    auto plain = attribution.workspace();
    std::vector<T> slope(x.size());
    attribution.attribute(x, 0, detector.trained().score_rule, plain, std::span(slope));
    const auto down = dense_matrix(picture.height, height), across = dense_matrix(picture.width, width);
    const double scale = std::get<ImageInput>(detector.trained().input).scale;
    double all = 0;
    for (const T value : slope) all += std::abs(scale * double{value});
    CHECK(e.map_shape == Shape{1, picture.height, picture.width, channels});
    CHECK(std::ranges::equal(e.attribution.shape(), e.map_shape));
    worst = 0;
    for (std::size_t i = 0; i < e.attribution.size(); ++i) {
        const std::size_t column = i / channels % picture.width, row = i / channels / picture.width;
        double expected = 0;
        for (std::size_t k = i % channels; k < slope.size(); k += channels)
            expected += down[k / channels / width][row] * across[k / channels % width][column] * double{slope[k]};
        worst = std::max(worst, std::abs(double{e.attribution.data()[i]} - scale * expected));
    }
    CHECK(worst <= all * (2 * weight_error + numbers * epsilon));
    CHECK(norm(e.attribution) > 0);
}

} // namespace

TEST_SUITE("explainer") {
    TEST_CASE("the attribution of a picture: central differences of its score in its own pixels") {
        const double h = 0x1p-14;
        for (const Rule rule : {Rule::gradcon, Rule::recommended})
            for (const PixelOrder network : network_orders) {
                const Explainer explainer{of_pictures<double>(network, rule)};
                const auto& detector = explainer.detector();
                auto w = explainer.workspace();
                auto scoring = detector.workspace();
                std::size_t layout = 0;
                for (const PixelOrder order : orders)
                    for (const Size& size : sizes) {
                        Picture<float> picture(size, order, layout++ % layouts);
                        Explanation<double> e;
                        explainer.explain(picture.view, w, e);
                        const auto slope = w.slope;
                        INFO(size[0], " x ", size[1], " from ", channel_count(order), " channels");
                        Rng rng(5);
                        for (int sample = 0; sample < 3; ++sample) {
                            const std::size_t y = random_index(rng, size[0]), x = random_index(rng, size[1]),
                                              k = random_index(rng, channel_count(order));
                            float& number = picture.at(y, x, k);
                            const float before = number;
                            check_slope(slope_of_number(e, network, picture, y, x, k), h, e, slope, [&](double step) {
                                number = before + static_cast<float>(step);
                                const double score = detector.score(picture.view, scoring).score;
                                number = before;
                                return score;
                            });
                        }
                    }
            }
    }

    TEST_CASE_TEMPLATE("sample, reconstruction and maps of every kind of picture, by plain formulas", P, std::uint8_t,
                       std::uint16_t, float) {
        for (const PixelOrder network : network_orders) {
            const Explainer single{of_pictures<float>(network)};
            const Explainer twice{of_pictures<double>(network, Rule::gradcon)};
            for (const Size& size : sizes)
                for (const PixelOrder order : {PixelOrder::gray, PixelOrder::bgra}) {
                    const Picture<P> picture(size, order);
                    INFO(size[0], " x ", size[1], " to ", channel_count(network), " channels");
                    check_maps(single, picture.view);
                    check_maps(twice, picture.view);
                }
        }
    }

    TEST_CASE("the verdict is the detector's, bit for bit") {
        const auto check = [](const auto& detector, const auto& sample) {
            const Explainer explainer{detector};
            auto w = explainer.workspace();
            auto plain = detector.workspace();
            Explanation<typename std::remove_cvref_t<decltype(detector)>::Scalar> e;
            explainer.explain(sample, w, e);
            CHECK(same(e.verdict, detector.score(sample, plain)));
            CHECK(e.verdict.cosine.size() == detector.scorer().count());
            CHECK(e.verdict.p_value > 0);
            const double mean =
                std::accumulate(e.residual.begin(), e.residual.end(), 0.0) / static_cast<double>(e.residual.size());
            if (e.map_shape == e.sample_shape) // 50 sums and roundings
                CHECK(mean == doctest::Approx(e.verdict.reconstruction_error).epsilon(50 * 6e-8));
        };
        for (const PixelOrder network : network_orders)
            for (const Size& size : sizes) {
                check(of_pictures<float>(network), Picture<std::uint8_t>(size, PixelOrder::rgb).view);
                check(of_pictures<double>(network), Picture<float>(size, PixelOrder::bgr).view);
            }
        const std::vector<double> rows{0.3, 2, 0.1, -1, -5, 0.9};
        check(of_rows<float>(), rows);
        check(of_rows<double>(), rows);
        const auto detector = of_rows<float>();
        check(detector.with(detector.calibration().with_threshold(-100)), rows);
        CHECK(explained(Explainer{detector.with(Calibration().with_threshold(-100))}, rows).verdict.anomalous);
        CHECK(!explained(Explainer{detector.with(Calibration().with_threshold(100))}, rows).verdict.anomalous);
    }

    TEST_CASE("strides and the order of colours in memory make no difference") {
        for (const PixelOrder network : network_orders) {
            const Explainer explainer{of_pictures<float>(network)};
            for (const Size& size : sizes) {
                const Picture<std::uint8_t> packed(size, PixelOrder::rgb);
                const auto expected = explained(explainer, packed.view);
                for (const PixelOrder order : {PixelOrder::rgb, PixelOrder::bgr, PixelOrder::rgba, PixelOrder::bgra})
                    for (std::size_t layout = 0; layout < layouts; ++layout) {
                        const auto e = explained(explainer, Picture<std::uint8_t>(size, order, layout).view);
                        CHECK(same(e.verdict, expected.verdict));
                        CHECK(same_maps(e, expected));
                    }
            }
        }
    }

    TEST_CASE("a network's red and blue are where its order says") {
        // The picture's blue alone; the network's first convolution would take it for red.
        const Explainer explainer{of_pictures<double>(PixelOrder::bgr)};
        Picture<float> picture({7, 6}, PixelOrder::rgb);
        for (std::size_t y = 0; y < 7; ++y)
            for (std::size_t x = 0; x < 6; ++x) picture.at(y, x, 0) = picture.at(y, x, 1) = 0;
        const auto e = explained(explainer, picture.view);
        for (std::size_t i = 0; i < e.sample.size(); ++i) {
            const double level = picture.at(i / 18, i / 3 % 6, 2 - i % 3);
            CHECK(e.sample.data()[i] == -0.5 + 1.75 * level); // multiples of 2^-14
        }
    }

    TEST_CASE("rows of a table: each number as it is standardised") {
        for (const Rule rule : {Rule::gradcon, Rule::recommended}) {
            const Explainer explainer{of_rows<double>(rule)};
            const auto& detector = explainer.detector();
            std::vector<double> rows{0.3, 2, 0.1, -1, -5, 0.9};
            auto w = explainer.workspace();
            Explanation<double> e;
            explainer.explain(rows, w, e);
            const Shape shape{1, 1, 1, 6};
            CHECK(e.sample_shape == shape);
            CHECK(e.map_shape == shape);
            CHECK(std::ranges::equal(e.residual.shape(), shape));
            CHECK(std::ranges::equal(e.attribution.shape(), shape));
            const auto slope = w.slope;
            const auto back_again = forward(detector.trained(), Batch<double>(e.sample));
            for (std::size_t i = 0; i < 6; ++i) {
                const double mean = table_input.means[i % 3], deviation = table_input.deviations[i % 3];
                CHECK(e.sample.data()[i] == (rows[i] - mean) / deviation);
                const double x = e.sample.data()[i], y = back_again[i];
                CHECK(std::abs(e.reconstruction.data()[i] - y) <= 1e-15 * (std::abs(x) + std::abs(y)));
                CHECK(e.residual.data()[i] == doctest::Approx((y - x) * (y - x)).epsilon(1e-14));
                const double before = rows[i];
                check_slope(e.attribution.data()[i], 0x1p-13, e, slope, [&](double step) {
                    rows[i] = before + step * deviation;
                    const double score = detector.score(rows).score;
                    rows[i] = before;
                    return score;
                });
            }
        }
    }

    TEST_CASE("rows as a span, a vector, an array, of floats or doubles") {
        const Explainer explainer{of_rows<float>()};
        const auto& detector = explainer.detector();
        const std::array<double, 6> array{0.5, 2, 0.25, -1, -5, 0.75}; // which are floats too
        std::vector<double> vector(array.begin(), array.end());
        const std::vector<float> floats(array.begin(), array.end());
        const double raw[]{0.5, 2, 0.25, -1, -5, 0.75};
        const auto expected = explained(explainer, std::span<const double>(array));
        const auto check = [&](const auto& rows) {
            CHECK(same_maps(explained(explainer, rows), expected));
            CHECK(same(explained(explainer, rows).verdict, expected.verdict));
            CHECK(same(detector.score(rows), expected.verdict));
            auto w = detector.workspace();
            CHECK(detector.score(rows, w).score == expected.verdict.score);
            CHECK(detector.statistics(rows, w).reconstruction_error() == expected.verdict.reconstruction_error);
            CHECK(detector.prepare(rows, w).size() == 6);
        };
        check(array);
        check(vector);
        check(floats);
        check(raw);
        check(std::span(vector));
        check(std::span(floats));
        check(std::span<const double, 6>(array));
    }

    TEST_CASE("one workspace and one explanation for samples of all sizes and kinds") {
        const Explainer pictures{of_pictures<float>(PixelOrder::rgb)}, others{of_pictures<float>(PixelOrder::gray)};
        const Explainer tables{of_rows<float>()};
        ImageInput higher = image_input; // the same network takes 11 x 6 too
        higher.height = 11;
        const Explainer high{make_detector<float>(smooth(1), higher, Rule::recommended)};
        const std::vector<double> rows{0.3, 2, 0.1, -1, -5, 0.9};
        auto w = pictures.workspace(), of_others = others.workspace(), of_tables = tables.workspace();
        Explanation<float> e;
        const auto check = [&](const auto& explainer, const auto& sample, auto& workspace) {
            explainer.explain(sample, workspace, e);
            const auto fresh = explained(explainer, sample);
            CHECK(e.verdict.score == fresh.verdict.score);
            CHECK(same_maps(e, fresh));
        };
        for (int round = 0; round < 2; ++round)
            for (const Size& size : sizes) {
                check(pictures, Picture<std::uint8_t>(size, PixelOrder::bgra).view, w);
                check(pictures, Picture<float>({size[1], size[0]}, PixelOrder::gray).view, w);
                check(others, Picture<std::uint8_t>(size, PixelOrder::rgb).view, of_others);
                check(tables, rows, of_tables);
                check(others, Picture<std::uint16_t>({size[0], 9}, PixelOrder::gray).view, of_others);
                check(high, Picture<std::uint16_t>({size[0], 9}, PixelOrder::gray).view, of_others);
            }
    }

    TEST_CASE("many threads share one, each with a workspace of its own") {
        const Explainer explainer{of_pictures<float>(PixelOrder::bgr)};
        const Picture<std::uint8_t> small({4, 3}, PixelOrder::rgb), large({17, 13}, PixelOrder::gray);
        const std::array expected{explained(explainer, small.view), explained(explainer, large.view)};
        std::array<bool, 4> equal{};
        std::vector<std::thread> threads;
        for (bool& mine : equal)
            threads.emplace_back([&] {
                auto w = explainer.workspace();
                Explanation<float> e;
                mine = true;
                for (std::size_t i = 0; i < 6; ++i) {
                    explainer.explain(i % 2 == 0 ? small.view : large.view, w, e);
                    mine = mine && same_maps(e, expected[i % 2]) && e.verdict.score == expected[i % 2].verdict.score;
                }
            });
        for (auto& thread : threads) thread.join();
        CHECK(std::ranges::count(equal, true) == 4);
    }

    TEST_CASE("a number that is none: the detector's verdict, and maps of the picture's size") {
        const Explainer explainer{of_pictures<float>(PixelOrder::gray)};
        Picture<float> picture({17, 13}, PixelOrder::gray);
        for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            picture.at(3, 4, 0) = wrong;
            const auto e = explained(explainer, picture.view);
            CHECK(is_nan(e.verdict.score));
            CHECK(e.verdict.anomalous);
            CHECK(e.map_shape == Shape{1, 17, 13, 1});
        }
        picture.at(3, 4, 0) = 0;
        CHECK(is_finite(explained(explainer, picture.view).verdict.score));
    }

    TEST_CASE("what has no derivative, or is of the wrong kind or size, is refused") {
        CHECK(throws_naming<ValueError>([] { Explainer{of_pictures<float>(PixelOrder::gray, Rule::conformal)}; },
                                        {"ConformalSum", "step function", "use its StandardizedSum"}));
        auto trained = of_pictures<float>(PixelOrder::gray, Rule::conformal).trained();
        trained.score_rule = StandardizedSum(std::get<ConformalSum>(trained.score_rule).sum);
        const Picture<std::uint8_t> picture({9, 9}, PixelOrder::rgb);
        const Explainer pictures{Detector(trained)}, tables{of_rows<float>()};
        const std::vector<double> rows(7, 0.5);
        const auto refused = [&]<class E>(E, const auto& explainer, const auto& sample,
                                          std::initializer_list<std::string_view> parts) {
            auto w = explainer.workspace();
            Explanation<float> e;
            CHECK(throws_naming<E>([&] { explainer.explain(sample, w, e); }, parts));
        };
        const ValueError value("");
        const ShapeError shape("");
        CHECK(is_finite(explained(pictures, picture.view).verdict.score));
        refused(value, pictures, rows, {"for pictures"});
        refused(value, tables, picture.view, {"for rows of numbers"});
        refused(shape, tables, rows, {"6 in all", "given: 7"});
        refused(shape, pictures, ImageView<float>{}, {"0 x 0", "no memory"});
        CHECK(is_finite(explained(tables, std::span(rows).first(6)).verdict.score));
    }
}
