#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace gradcon;

TEST_SUITE("models") {
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
}
