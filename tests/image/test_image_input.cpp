// Pictures and rows of numbers as a network takes them: every layout in memory, against plain formulas.
#include "dense_matrix.hpp"
#include "random_tensors.hpp"

#include <gradcon/detector/table_input.hpp>
#include <gradcon/image/image_input.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <type_traits>

using namespace gradcon;

namespace {

using Levels = Tensor<std::uint8_t, 3>; // height x width x red, green, blue, alpha
using Size = std::array<std::size_t, 2>;

constexpr std::array orders{PixelOrder::gray, PixelOrder::rgb, PixelOrder::bgr, PixelOrder::rgba, PixelOrder::bgra};
constexpr std::array network_orders{PixelOrder::gray, PixelOrder::rgb, PixelOrder::bgr};
constexpr std::array layouts{"packed", "padded rows", "from below", "planes", "cut out", "mirrored", "every second"};

Levels random_levels(std::size_t height, std::size_t width, Rng& rng) {
    Levels levels;
    levels.resize({height, width, 4});
    for (auto& level : levels) level = static_cast<std::uint8_t>(random_index(rng, 256));
    return levels;
}

/// Which of red, green, blue and alpha is number k of a pixel. Gray is what red says.
std::size_t colour(PixelOrder order, std::size_t k) {
    const bool blue_first = order == PixelOrder::bgr || order == PixelOrder::bgra;
    return blue_first && k < 3 ? 2 - k : k;
}

template <class P>
P pixel(std::uint8_t level) {
    if constexpr (std::is_same_v<P, std::uint8_t>) return level;
    else if constexpr (std::is_same_v<P, std::uint16_t>) return static_cast<P>(level * 257);
    else return static_cast<P>(level) / 255;
}

/// A picture in memory, laid out in some way; what lies between its numbers is 77.
template <class P>
struct Picture {
    std::vector<P> memory;
    ImageView<P> view;

    Picture(const Levels& levels, PixelOrder order, std::size_t layout = 0) : memory(6000, P{77}) {
        const auto height = static_cast<std::ptrdiff_t>(levels.shape()[0]),
                   width = static_cast<std::ptrdiff_t>(levels.shape()[1]),
                   channels = static_cast<std::ptrdiff_t>(channel_count(order));
        std::ptrdiff_t first = 0, row = width * channels, step = channels, channel = 1;
        view = {.height = levels.shape()[0], .width = levels.shape()[1], .order = order};
        switch (layout) {
        case 0: break;
        case 1: view.row_stride = row += 5; break;
        case 2: first = (height - 1) * row, view.row_stride = row = -row; break;
        case 3:
            view.row_stride = row = width;
            view.pixel_stride = step = 1;
            view.channel_stride = channel = height * width;
            break;
        case 4: view.row_stride = row = (width + 7) * channels, first = 2 * row + 3 * channels; break;
        case 5: first = row - step, view.pixel_stride = step = -step, view.row_stride = row; break;
        default: view.pixel_stride = step *= 2, row *= 2;
        }
        for (std::ptrdiff_t y = 0; y < height; ++y)
            for (std::ptrdiff_t x = 0; x < width; ++x)
                for (std::ptrdiff_t k = 0; k < channels; ++k)
                    memory.at(static_cast<std::size_t>(first + y * row + x * step + k * channel)) =
                        pixel<P>(levels(static_cast<std::size_t>(y), static_cast<std::size_t>(x),
                                        colour(order, static_cast<std::size_t>(k))));
        view.data = memory.data() + first;
    }
};

template <class T, class P>
std::vector<T> converted(const ImageView<P>& picture, const ImageInput& input) {
    ImageInputWorkspace<T> w;
    std::vector<T> to(input.height * input.width * input.channels() + 1, T{-7});
    convert(picture, input, w, to.data());
    CHECK(to.back() == T{-7});
    to.pop_back();
    return to;
}

/// Channel c of the network's picture at (y, x), 0 to 255, by the formulas of ITU-R 601 as Pillow has them.
double naive(const Levels& levels, bool gray, PixelOrder order, std::size_t y, std::size_t x, std::size_t c) {
    if (gray) return levels(y, x, 0);
    if (order != PixelOrder::gray) return levels(y, x, colour(order, c));
    return (19595.0 * levels(y, x, 0) + 38470.0 * levels(y, x, 1) + 7471.0 * levels(y, x, 2)) / 65536;
}

template <class T>
double largest_difference(const std::vector<T>& a, const std::vector<T>& b) {
    REQUIRE(a.size() == b.size());
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
    return largest;
}

} // namespace

TEST_SUITE("input") {
    TEST_CASE_TEMPLATE("every layout and order of the same picture gives the same bits", P, std::uint8_t, std::uint16_t,
                       float) {
        Rng rng(1);
        const Levels levels = random_levels(7, 5, rng);
        for (const PixelOrder order : network_orders) {
            const ImageInput input{.height = 4, .width = 6, .order = order};
            const auto gray = converted<float>(Picture<P>(levels, PixelOrder::gray).view, input);
            const auto coloured = converted<float>(Picture<P>(levels, PixelOrder::rgb).view, input);
            CHECK(gray != coloured);
            for (const PixelOrder in_memory : orders)
                for (std::size_t layout = 0; layout < layouts.size(); ++layout) {
                    const Picture<P> picture(levels, in_memory, layout);
                    CHECK_MESSAGE(converted<float>(picture.view, input) ==
                                      (in_memory == PixelOrder::gray ? gray : coloured),
                                  layouts[layout], " with ", channel_count(in_memory), " channels");
                }
        }
    }

    TEST_CASE("colours are converted pixel by pixel, bytes as Pillow does it") {
        Rng rng(2);
        const Levels levels = random_levels(5, 9, rng);
        const auto check = [&]<class P, class T>(P, T, double tolerance) {
            for (const PixelOrder order : network_orders)
                for (const bool gray : {false, true}) {
                    const Picture<P> picture(levels, gray ? PixelOrder::gray : PixelOrder::bgra);
                    const ImageInput input{.height = 5, .width = 9, .order = order};
                    const auto to = converted<T>(picture.view, input);
                    double worst = 0;
                    for (std::size_t i = 0; i < to.size(); ++i) {
                        const std::size_t c = i % input.channels(), x = i / input.channels() % 9,
                                          y = i / input.channels() / 9;
                        double expected = naive(levels, gray, order, y, x, c);
                        if (std::is_same_v<P, std::uint8_t>) expected = std::floor(expected + 0.5);
                        worst = std::max(worst, std::abs(to[i] - expected / 255));
                    }
                    CHECK(worst <= tolerance);
                }
        };
        check(std::uint8_t{}, float{}, 3e-8); // half of a float's last bit
        check(std::uint8_t{}, double{}, 0);
        check(std::uint16_t{}, float{}, 3e-7);
        check(std::uint16_t{}, double{}, 1e-15);
        check(float{}, float{}, 3e-7);
        check(float{}, double{}, 6e-8);
    }

    TEST_CASE("bytes are resized as resize does it, after the conversion") {
        Rng rng(3);
        for (const auto& [from, to] : {std::pair<Size, Size>{{7, 5}, {4, 6}},
                                       {{1, 1}, {3, 2}},
                                       {{9, 33}, {28, 28}},
                                       {{40, 31}, {7, 3}},
                                       {{13, 1}, {1, 5}},
                                       {{6, 8}, {6, 3}}})
            for (const PixelOrder order : network_orders) {
                const Levels levels = random_levels(from[0], from[1], rng);
                const ImageInput input{.height = to[0], .width = to[1], .order = order};
                Tensor<std::uint8_t, 4> bytes;
                bytes.resize({1, from[0], from[1], input.channels()});
                for (std::size_t y = 0; y < from[0]; ++y)
                    for (std::size_t x = 0; x < from[1]; ++x)
                        for (std::size_t c = 0; c < input.channels(); ++c)
                            bytes(0, y, x, c) = static_cast<std::uint8_t>(naive(levels, false, order, y, x, c) + 0.5);
                const auto resized = resize(bytes, to[0], to[1]);
                std::vector<float> expected;
                for (const auto byte : resized) expected.push_back(static_cast<float>(byte) / 255);
                CHECK(converted<float>(Picture<std::uint8_t>(levels, PixelOrder::rgba).view, input) == expected);
            }
    }

    TEST_CASE("other numbers are resized by two dense matrices; all kinds of numbers agree") {
        Rng rng(4);
        for (const auto& [from, to] : {std::pair<Size, Size>{{7, 5}, {4, 6}},
                                       {{1, 1}, {3, 2}},
                                       {{9, 33}, {28, 28}},
                                       {{40, 11}, {7, 3}},
                                       {{13, 1}, {1, 5}},
                                       {{6, 8}, {6, 3}}}) {
            const Levels levels = random_levels(from[0], from[1], rng);
            const auto rows = dense_matrix(from[0], to[0]), columns = dense_matrix(from[1], to[1]);
            for (const PixelOrder order : network_orders) {
                const ImageInput input{.height = to[0], .width = to[1], .order = order};
                std::vector<double> expected(to[0] * to[1] * input.channels());
                for (std::size_t i = 0; i < expected.size(); ++i)
                    for (std::size_t y = 0; y < from[0]; ++y)
                        for (std::size_t x = 0; x < from[1]; ++x)
                            expected[i] += rows[i / input.channels() / to[1]][y] *
                                           columns[i / input.channels() % to[1]][x] / 255 *
                                           naive(levels, false, order, y, x, i % input.channels());
                const Picture<float> floats(levels, PixelOrder::bgr);
                const Picture<std::uint16_t> words(levels, PixelOrder::rgb);
                const Picture<std::uint8_t> bytes(levels, PixelOrder::rgb);
                CHECK(largest_difference(converted<double>(words.view, input), expected) < 5e-6);
                CHECK(largest_difference(converted<double>(floats.view, input), expected) < 5e-6);
                const auto numbers = converted<float>(floats.view, input);
                CHECK(largest_difference(numbers, std::vector<float>(expected.begin(), expected.end())) < 5e-6);
                CHECK(largest_difference(converted<float>(words.view, input), numbers) < 5e-6);
                CHECK(largest_difference(converted<float>(bytes.view, input), numbers) < 1.5 / 255 + 1e-5);
            }
        }
    }

    TEST_CASE_TEMPLATE("resample_adjoint is the adjoint of resample", T, float, double) {
        Rng rng(5);
        for (int round = 0; round < 60; ++round) {
            const std::size_t outer = 1 + random_index(rng, 3), from = 1 + random_index(rng, 40),
                              to = 1 + random_index(rng, 40), inner = 1 + random_index(rng, 4);
            const auto axis = footprints(from, to);
            const auto x = random_values<T>(outer * from * inner, rng), d_y = random_values<T>(outer * to * inner, rng);
            std::vector<T> y(d_y.size(), T{9}), d_x(x.size(), T{9}); // both are overwritten
            resample(x.data(), outer, from, inner, axis, y.data());
            resample_adjoint(d_y.data(), outer, from, inner, axis, d_x.data());
            const auto dot = [](const std::vector<T>& a, const std::vector<T>& b) {
                return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
            };
            CHECK(std::abs(dot(y, d_y) - dot(x, d_x)) <
                  (std::is_same_v<T, float> ? 1e-5 : 1e-13) * static_cast<double>(x.size() + y.size()));
        }
    }

    TEST_CASE("the same size changes nothing, and a constant stays") {
        Rng rng(6);
        for (const Size& size : {Size{1, 1}, {1, 7}, {6, 1}, {5, 8}}) {
            const ImageInput input{.height = size[0], .width = size[1], .order = PixelOrder::rgb};
            const auto values = random_values<float>(size[0] * size[1] * 3, rng);
            const ImageView<float> picture{
                .data = values.data(), .height = size[0], .width = size[1], .order = PixelOrder::rgb};
            CHECK(converted<float>(picture, input) == values);
            std::vector<std::uint8_t> bytes;
            std::vector<float> expected;
            for (std::size_t i = 0; i < values.size(); ++i) {
                bytes.push_back(static_cast<std::uint8_t>(random_index(rng, 256)));
                expected.push_back(static_cast<float>(bytes.back()) / 255);
            }
            const ImageView<std::uint8_t> small{
                .data = bytes.data(), .height = size[0], .width = size[1], .order = PixelOrder::rgb};
            CHECK(converted<float>(small, input) == expected);
        }
        for (const std::uint8_t level : {std::uint8_t{0}, std::uint8_t{99}, std::uint8_t{255}})
            for (const Size& size : {Size{1, 1}, {3, 5}, {30, 17}}) {
                Levels levels;
                levels.resize({size[0], size[1], 4});
                std::fill(levels.begin(), levels.end(), level);
                for (const PixelOrder order : network_orders) {
                    const ImageInput input{.height = 8, .width = 11, .order = order};
                    const std::vector<float> constant(8 * 11 * input.channels(), static_cast<float>(level) / 255);
                    CHECK(converted<float>(Picture<std::uint8_t>(levels, PixelOrder::rgb).view, input) == constant);
                    CHECK(largest_difference(converted<float>(Picture<float>(levels, PixelOrder::bgr).view, input),
                                             constant) < 3e-6);
                }
            }
    }

    TEST_CASE_TEMPLATE("offset and scale, after all else", P, std::uint8_t, std::uint16_t, float) {
        Rng rng(7);
        const Picture<P> picture(random_levels(9, 6, rng), PixelOrder::rgb);
        const ImageInput plain{.height = 4, .width = 5};
        ImageInput input = plain;
        input.offset = -1;
        input.scale = 2;
        auto expected = converted<double>(picture.view, plain);
        for (double& value : expected) value = -1 + 2 * value;
        CHECK(largest_difference(converted<double>(picture.view, input), expected) < 1e-15);
        input = plain;
        input.scale = -3; // alone
        CHECK(converted<double>(picture.view, input)[7] == doctest::Approx(-1.5 * (expected[7] + 1)));
        input = plain;
        input.offset = 0.25;
        CHECK(converted<double>(picture.view, input)[7] == doctest::Approx(0.5 * (expected[7] + 1) + 0.25));
    }

    TEST_CASE("a workspace serves pictures of all sizes and kinds, and other inputs, in any order") {
        Rng rng(8);
        const Levels small = random_levels(4, 3, rng), large = random_levels(9, 12, rng);
        ImageInputWorkspace<float> w;
        const auto check = [&](const auto& picture, const ImageInput& input) {
            std::vector<float> to(input.height * input.width * input.channels());
            convert(picture.view, input, w, to.data());
            CHECK(to == converted<float>(picture.view, input));
        };
        const ImageInput gray{.height = 5, .width = 7}, colours{.height = 6, .width = 2, .order = PixelOrder::bgr};
        for (int round = 0; round < 2; ++round)
            for (const ImageInput& input : {gray, colours})
                for (const Levels* levels : {&small, &large, &small}) {
                    check(Picture<std::uint8_t>(*levels, PixelOrder::rgb), input);
                    check(Picture<float>(*levels, PixelOrder::bgra), input);
                    check(Picture<std::uint16_t>(*levels, PixelOrder::gray), input);
                }
    }

    TEST_CASE("a tensor as a picture") {
        Tensor<std::uint8_t, 3> tensor;
        const auto order_of = [&](std::size_t channels) {
            tensor.resize({5, 4, channels});
            const auto view = view_of<std::uint8_t>(tensor);
            CHECK(view.data == tensor.data());
            CHECK(view.height == 5);
            CHECK(view.width == 4);
            CHECK(view.row(2) == tensor.data() + 2 * 4 * channels);
            return view.order;
        };
        CHECK(order_of(1) == PixelOrder::gray);
        CHECK(order_of(3) == PixelOrder::rgb);
        CHECK(order_of(4) == PixelOrder::rgba);
        CHECK(throws_naming<ShapeError>([&] { order_of(2); }, {"1, 3 or 4 channels", "5 x 4 x 2"}));
        CHECK_THROWS_AS(order_of(0), ShapeError);
    }

    TEST_CASE("pictures without pixels and inputs out of range are refused") {
        const std::vector<float> values(12);
        const auto picture = [&](const float* data, std::size_t height, std::size_t width,
                                 std::initializer_list<std::string_view> parts) {
            const ImageView<float> view{.data = data, .height = height, .width = width};
            CHECK(throws_naming<ShapeError>([&] { converted<float>(view, {}); }, parts));
        };
        picture(nullptr, 3, 4, {"memory", "3 x 4", "no memory"});
        picture(values.data(), 0, 4, {"1 x 1", "0 x 4"});
        picture(values.data(), 3, 0, {"1 x 1", "3 x 0"});
        picture(values.data(), std::size_t{1} << 40, std::size_t{1} << 40, {"1099511627776", "addressed"});

        const auto input = [](const ImageInput& wrong, std::initializer_list<std::string_view> parts) {
            CHECK(throws_naming<ValueError>([&] { wrong.check(); }, parts));
        };
        constexpr double infinity = std::numeric_limits<double>::infinity(),
                         nan = std::numeric_limits<double>::quiet_NaN();
        input({.height = 0}, {"height and width", "0, 28"});
        input({.width = 0}, {"height and width", "28, 0"});
        input({.order = PixelOrder::rgba}, {"no alpha", "4 channels"});
        input({.order = PixelOrder::bgra}, {"no alpha", "4 channels"});
        input({.offset = infinity}, {"offset is finite", "inf"});
        input({.offset = nan}, {"offset is finite", "nan"});
        input({.scale = 0}, {"scale finite and not 0", ", 0, 0"});
        input({.scale = nan}, {"scale finite", "nan"});
        for (const PixelOrder order : network_orders) ImageInput{.order = order, .offset = -5, .scale = -0.1}.check();
    }

    TEST_CASE("a table's columns get mean 0 and deviation 1") {
        Rng rng(9);
        constexpr std::size_t count = 50, width = 4;
        auto rows = random_values<double>(count * width, rng, -3, 5);
        for (std::size_t r = 0; r < count; ++r) {
            rows[r * width + 1] = 0.1;                          // never varies, and its mean is rounded
            rows[r * width + 2] = 0;                            // never varies
            rows[r * width + 3] = 1000 + rows[r * width] / 1e3; // varies little
        }
        const auto input = TableInput::fit(rows, width, {"a", "b", "c", "d"}, 3, 2);
        for (const std::size_t k : {0U, 3U}) {
            double mean = 0, square = 0;
            for (std::size_t r = 0; r < count; ++r) mean += rows[r * width + k];
            mean /= count;
            for (std::size_t r = 0; r < count; ++r) square += std::pow(rows[r * width + k] - mean, 2);
            CHECK(input.means[k] == doctest::Approx(mean).epsilon(1e-13));
            CHECK(input.deviations[k] == doctest::Approx(std::sqrt(square / count)).epsilon(1e-9));
        }
        CHECK(input.means[1] == doctest::Approx(0.1).epsilon(1e-13));
        CHECK(input.deviations[1] == 1);
        CHECK(input.deviations[2] == 1);
        CHECK(input.columns == std::vector<std::string>{"a", "b", "c", "d"});
        CHECK(input.width() == width);
        CHECK(input.values() == 3 * width);
        CHECK(input == TableInput::fit(rows, width, {"a", "b", "c", "d"}, 3, 2));
        CHECK(input != TableInput::fit(rows, width, {"a", "b", "c", "d"}, 3, 1));

        const auto check = [&]<class Number, class T>(Number, T, double tolerance) {
            const std::vector<Number> numbers(rows.begin(), rows.end());
            std::vector<T> to(input.values() + 1, T{-7});
            convert(std::span(numbers).subspan(8, input.values()), input, to.data());
            for (std::size_t i = 0; i < input.values(); ++i)
                CHECK(std::abs(to[i] - (double{numbers[8 + i]} - input.means[i % width]) /
                                           input.deviations[i % width]) <= tolerance);
            CHECK(to.back() == T{-7});
        };
        check(double{}, double{}, 0);
        check(double{}, float{}, 1e-6);
        check(float{}, float{}, 1e-6);
        check(float{}, double{}, 0);
    }

    TEST_CASE("so many samples are in so many rows") {
        const auto samples = [](std::size_t window, std::size_t stride, std::size_t rows) {
            std::size_t count = 0; // of windows that fit
            while (count * stride + window <= rows) ++count;
            const TableInput input{.means = {0}, .deviations = {1}, .window = window, .stride = stride};
            CHECK(input.samples(rows) == count);
            return count;
        };
        for (std::size_t window = 1; window < 6; ++window)
            for (std::size_t stride = 1; stride < 6; ++stride)
                for (std::size_t rows = 0; rows < 20; ++rows) samples(window, stride, rows);
        CHECK(samples(1, 1, 7) == 7);
        CHECK(samples(4, 3, 3) == 0);
        CHECK(samples(4, 3, 10) == 3);
    }

    TEST_CASE("tables out of range are refused") {
        const auto not_fitted = [](std::vector<double> rows, std::size_t width,
                                   std::initializer_list<std::string_view> parts) {
            CHECK(throws_naming<ValueError>([&] { TableInput::fit(rows, width); }, parts));
        };
        not_fitted({}, 2, {"rows of 1 number or more", "0 numbers for rows of 2"});
        not_fitted({1, 2, 3}, 2, {"3 numbers for rows of 2"});
        not_fitted({1, 2}, 0, {"rows of 0"});
        not_fitted({1, 2, 3, std::numeric_limits<double>::infinity()}, 2, {"row 1", "inf"});
        not_fitted({std::numeric_limits<double>::quiet_NaN(), 2}, 2, {"row 0", "nan"});
        const std::vector<double> rows{1, 2, 3, 5};
        CHECK(throws_naming<ValueError>([&] { TableInput::fit(rows, 2, {"one"}); }, {"a name for each", "1 names"}));
        CHECK(throws_naming<ValueError>([&] { TableInput::fit(rows, 2, {}, 0); }, {"window", "0 and 1"}));
        CHECK(throws_naming<ValueError>([&] { TableInput::fit(rows, 2, {}, 1, 0); }, {"stride", "1 and 0"}));
        CHECK(TableInput::fit(std::vector<double>{3, 4}, 2).deviations == std::vector<double>{1, 1}); // of one row

        const TableInput good{.means = {1, 2}, .deviations = {3, 4}, .window = 2};
        good.check();
        const auto refused = [&](auto&& change, std::initializer_list<std::string_view> parts) {
            TableInput wrong = good;
            change(wrong);
            CHECK(throws_naming<ValueError>([&] { wrong.check(); }, parts));
        };
        refused([](TableInput& t) { t.means = t.deviations = {}; }, {"0 means"});
        refused([](TableInput& t) { t.means.pop_back(); }, {"1 means, 2 deviations"});
        refused([](TableInput& t) { t.deviations[1] = 0; }, {"above 0"});
        refused([](TableInput& t) { t.deviations[1] = -1; }, {"above 0"});
        refused([](TableInput& t) { t.deviations[0] = std::numeric_limits<double>::infinity(); }, {"finite"});
        refused([](TableInput& t) { t.means[0] = std::numeric_limits<double>::quiet_NaN(); }, {"finite"});
        refused([](TableInput& t) { t.columns = {"a", "b", "c"}; }, {"3 names"});
        std::vector<float> to(4);
        const auto convert_rows = [&](std::size_t numbers) {
            const std::vector<double> given(numbers);
            convert(std::span<const double>(given), good, to.data());
        };
        convert_rows(4);
        CHECK(throws_naming<ShapeError>([&] { convert_rows(2); }, {"2 rows of 2 numbers, 4 in all", "given: 2"}));
        CHECK(throws_naming<ShapeError>([&] { convert_rows(5); }, {"given: 5"}));
    }
}
