#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace gradcon;

TEST_SUITE("tensors") {
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
