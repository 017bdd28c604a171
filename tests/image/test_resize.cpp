#include "random_tensors.hpp"

#include "../../examples/gradcon/readers/bmp.hpp"
#include <gradcon/image/resize.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

using namespace gradcon;

namespace {

using Images = Tensor<std::uint8_t, 4>;

Images as_batch(const Tensor<std::uint8_t, 3>& image) {
    Images batch;
    batch.resize({1, image.shape()[0], image.shape()[1], image.shape()[2]});
    std::ranges::copy(image, batch.data());
    return batch;
}

} // namespace

TEST_SUITE("resize") {
    TEST_CASE("resize gives Pillow's bytes") {
        const std::string folder = GRADCON_TESTS_DIR "/golden/resized/from-";
        struct Case {
            std::string from, to;
        };
        for (const Case& sizes : {Case{"32x32", "28x28"}, {"7x5", "32x40"}, {"37x23", "11x16"}, {"37x23", "5x31"}}) {
            const auto original = as_batch(readers::read_bmp(folder + sizes.from + ".bmp"));
            const auto expected = as_batch(readers::read_bmp(folder + sizes.from + "-to-" + sizes.to + ".bmp"));
            const auto resized = resize(original, expected.shape()[1], expected.shape()[2]);
            REQUIRE(resized.shape() == expected.shape());
            CHECK_MESSAGE(resized == expected, sizes.from, " to ", sizes.to);
        }
    }

    TEST_CASE("resize: the same size changes nothing, constants stay, channels and images do not mix, limits") {
        Images images;
        images.resize({3, 9, 12, 2});
        Rng rng(4);
        for (auto& value : images) value = static_cast<std::uint8_t>(random_index(rng, 256));
        CHECK(resize(images, 9, 12) == images);
        const auto small = resize(images, 4, 5);
        CHECK(small.shape() == std::array<std::size_t, 4>{3, 4, 5, 2});
        Images second;
        second.resize({1, 9, 12, 1});
        for (std::size_t y = 0; y < 9; ++y)
            for (std::size_t x = 0; x < 12; ++x) second(0, y, x, 0) = images(2, y, x, 1);
        const auto alone = resize(second, 4, 5);
        for (std::size_t y = 0; y < 4; ++y)
            for (std::size_t x = 0; x < 5; ++x) CHECK(alone(0, y, x, 0) == small(2, y, x, 1));
        Images white;
        white.resize({1, 200, 1, 1});
        std::fill(white.begin(), white.end(), 255);
        for (const auto value : resize(white, 1, 3)) CHECK(value == 255);
        Images none;
        none.resize({0, 5, 5, 1});
        CHECK(resize(none, 2, 2).size() == 0);
        CHECK(throws_naming<ShapeError>([&] { resize(images, 0, 5); }, {"3 x 9 x 12 x 2", "3 x 0 x 5 x 2"}));
        none.resize({1, 5, 0, 1});
        CHECK_THROWS_AS(resize(none, 2, 2), ShapeError);
        CHECK_THROWS_AS(resize(images, std::size_t{1} << 62, 5), ShapeError);
    }
}
