#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace gradcon;

TEST_SUITE("trees") {
    TEST_CASE("names, counts, number types") {
        Rng rng(1);
        const auto model = models::cae({.height = 8, .width = 8, .widths = {2, 3}});
        const auto params = model.init<double>(rng);
        static_assert(std::is_same_v<scalar_t<decltype(params)>, double>);
        static_assert(std::is_same_v<scalar_t<std::vector<std::span<const float>>>, float>);
        static_assert(std::is_same_v<scalar_t<std::tuple<std::vector<double>, NoParams>>, double>);
        static_assert(std::is_same_v<scalar_t<Linear::Params<double>>, double>); // of its first tensor
        static_assert(std::is_same_v<scalar_t<Sequential<ReLU, Linear>::Params<double>>, double>); // as it says
        static_assert(!TensorTree<int> && !TensorTree<std::vector<int>> && TensorTree<std::vector<std::vector<float>>>);
        std::vector<std::string> names;
        for_each_named_tensor([&](const std::string& name, const auto&) { names.push_back(name); }, params);
        CHECK(names == std::vector<std::string>{"encoder.0.weight", "encoder.0.bias", "encoder.2.weight",
                                                "encoder.2.bias", "decoder.0.weight", "decoder.0.bias",
                                                "decoder.2.weight", "decoder.2.bias"});
        CHECK(tensor_count(params) == 8);
        CHECK(parameter_count(params) == 16 * 2 + 2 + 16 * 6 + 3 + 16 * 6 + 2 + 16 * 2 + 1);
    }

    TEST_CASE("trees of different form are refused") {
        using Tree = std::vector<std::vector<float>>;
        const Tree a{{1, 2}}, longer{{1, 2, 3}}, more{{1, 2}, {3}};
        CHECK(throws_naming<ShapeError>([&] { static_cast<void>(dot(a, longer)); }, {"2", "3"}));
        CHECK(throws_naming<ShapeError>([&] { static_cast<void>(dot(a, more)); }, {"length", "1", "2"}));
        Rng rng(1);
        const auto conv = Chain{{Conv2d{1, 1, {}}}}.init(rng), linear = Chain{{Linear{3, 3}}}.init(rng);
        CHECK(throws_naming<ShapeError>([&] { static_cast<void>(dot(conv, linear)); }, {"kinds of layers"}));
    }
}
