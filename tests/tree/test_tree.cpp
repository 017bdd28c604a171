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
        static_assert(!TensorTree<int> && !TensorTree<std::vector<int>> && TensorTree<std::vector<std::vector<float>>>);
        std::vector<std::string> names;
        for_each_named_tensor([&](const std::string& name, const auto&) { names.push_back(name); }, params);
        CHECK(names == std::vector<std::string>{"encoder.0.weight", "encoder.0.bias", "encoder.2.weight",
                                                "encoder.2.bias", "decoder.0.weight", "decoder.0.bias",
                                                "decoder.2.weight", "decoder.2.bias"});
        CHECK(tensor_count(params) == 8);
        CHECK(parameter_count(params) == 16 * 2 + 2 + 16 * 6 + 3 + 16 * 6 + 2 + 16 * 2 + 1);
    }

    TEST_CASE("the vector space") {
        using Tree = std::vector<std::vector<float>>;
        const Tree a{{1, 2}, {3}}, b{{-1, 0}, {5}};
        CHECK(dot(a, b) == 14);
        CHECK(norm(a) == doctest::Approx(std::sqrt(14.0)));
        CHECK(cosine(a, b) == doctest::Approx(14 / std::sqrt(14.0 * 26)));
        Tree c = a;
        axpy(2, b, c);
        CHECK(c == Tree{{-1, 2}, {13}});
        fill(c, 3);
        CHECK(c == Tree{{3, 3}, {3}});
        CHECK(zeros_like(a) == Tree{{0, 0}, {0}});
        std::vector<std::vector<double>> d{{0, 0}, {0}};
        copy(a, d);
        CHECK(d == std::vector<std::vector<double>>{{1, 2}, {3}});
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

    TEST_CASE("views, shapes and their overflow") {
        const Tensor<float, 4> tensor(std::array<std::size_t, 4>{3, 2, 2, 1});
        const Batch<float> batch(tensor);
        CHECK(batch.samples() == 3);
        CHECK(batch.sample_size() == 4);
        CHECK(batch.slice(1, 2).data() == tensor.data() + 4);
        CHECK(batch.slice(1, 2).shape() == Shape{2, 2, 2, 1});
        const Tensor<float, 2> flat(std::array<std::size_t, 2>{3, 4});
        const auto& any = flat;
        CHECK_THROWS_AS((TensorView<const float, 4>(any)), ShapeError);
        CHECK(shape_string(Shape{1, 28, 28, 3}) == "1 x 28 x 28 x 3");
        CHECK(element_count(Shape{2, 3, 4, 5}) == 120);
        CHECK_THROWS_AS(element_count(Shape{1ULL << 40, 1ULL << 40, 1, 1}), ShapeError);
        Tensor<float, 4> room;
        CHECK_THROWS_AS(reserve(room, {1ULL << 40, 1ULL << 40, 1, 1}), ShapeError);
        CHECK(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64 == 0);
    }
}
