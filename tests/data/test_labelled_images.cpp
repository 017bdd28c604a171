#include "random_tensors.hpp"

#include <gradcon/data/labelled_images.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

using namespace gradcon;

namespace {

using Bytes = std::vector<std::uint8_t>;

} // namespace

TEST_SUITE("labelled images") {
    TEST_CASE("sets are joined if their images have one size") {
        data::LabelledImages a, b;
        a.images.resize({1, 2, 3, 1});
        a.labels = {4};
        std::fill(a.images.begin(), a.images.end(), 9);
        b.images.resize({2, 2, 3, 1});
        b.labels = {5, 6};
        std::fill(b.images.begin(), b.images.end(), 8);
        const auto both = data::concatenate(std::array{a, b});
        CHECK(both.images.shape() == std::array<std::size_t, 4>{3, 2, 3, 1});
        CHECK(both.labels == Bytes{4, 5, 6});
        CHECK(both.images(0, 1, 2, 0) == 9);
        CHECK(both.images(1, 0, 0, 0) == 8);
        b.images.resize({2, 3, 2, 1});
        CHECK(throws_naming<ShapeError>(
            [&] {
                data::concatenate(std::array{a, b});
            },
            {"1 x 2 x 3 x 1", "2 x 3 x 2 x 1"}));
    }
}
