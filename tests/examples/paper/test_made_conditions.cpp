#include "random_tensors.hpp"

#include "../../../examples/paper/made_conditions.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

using namespace gradcon;

namespace {

using Images = Tensor<std::uint8_t, 4>;

/// Edges, slopes and noise, none of it at 0 or 255, and every channel another.
Images textured(const Shape& shape) {
    const auto [count, height, width, channels] = shape;
    Images images;
    images.resize({count, height, width, channels});
    Rng rng(5);
    std::uint8_t* to = images.data();
    for (std::size_t n = 0; n < count; ++n)
        for (std::size_t y = 0; y < height; ++y)
            for (std::size_t x = 0; x < width; ++x)
                for (std::size_t c = 0; c < channels; ++c)
                    *to++ = static_cast<std::uint8_t>(40 + (x / 5 + y / 7 + n) % 2 * 60 + 30 * c + 40 * y / height +
                                                      random_index(rng, 20));
    return images;
}

double mean_change(const Images& a, const Images& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(int{a.data()[i]} - int{b.data()[i]});
    return sum / static_cast<double>(a.size());
}

} // namespace

TEST_SUITE("conditions") {
    TEST_CASE("stronger with every level, and the same from the same seed") {
        for (const Shape& shape : {Shape{6, 28, 28, 3}, {6, 45, 70, 3}, {6, 9, 40, 3}}) {
            const auto images = textured(shape);
            const Images before = images;
            for (const auto condition : paper::all_conditions)
                for (const std::uint64_t seed : {1U, 2U, 3U}) {
                    double last = 0;
                    for (int level = 1; level <= 5; ++level) {
                        Rng rng(seed), same(seed);
                        const auto spoilt = paper::apply(condition, level, images, rng);
                        CHECK(spoilt.shape() == images.shape());
                        const double change = mean_change(spoilt, images);
                        CHECK_MESSAGE(change > last * 1.02, paper::name(condition), " level ", level, " of ",
                                      shape_string(shape), ": ", last, " to ", change);
                        last = change;
                        if (level == 3) CHECK(paper::apply(condition, level, images, same) == spoilt);
                    }
                    CHECK_MESSAGE(last > 5, paper::name(condition), ": ", last);
                }
            CHECK(images == before);
        }
    }

    TEST_CASE("what is drawn differs by seed and image") {
        Images images = textured({2, 32, 32, 3});
        std::copy_n(images.data(), images.size() / 2, images.data() + images.size() / 2);
        for (const auto condition :
             {paper::Condition::codec_error, paper::Condition::dirty_lens, paper::Condition::noise,
              paper::Condition::rain, paper::Condition::shadow, paper::Condition::snow}) {
            Rng one(1), two(2);
            const auto spoilt = paper::apply(condition, 5, images, one);
            CHECK_MESSAGE(paper::apply(condition, 5, images, two) != spoilt, paper::name(condition));
            const auto half = static_cast<std::ptrdiff_t>(spoilt.size() / 2);
            CHECK_FALSE(std::equal(spoilt.data(), spoilt.data() + half, spoilt.data() + half));
        }
    }

    TEST_CASE("limits") {
        Rng rng(1);
        const auto grey = textured({2, 8, 8, 1});
        CHECK(paper::apply(paper::Condition::decolorization, 5, grey, rng) == grey);
        const auto one = paper::apply(paper::Condition::decolorization, 5, textured({1, 8, 8, 3}), rng);
        CHECK(one(0, 3, 4, 0) == one(0, 3, 4, 2)); // grey
        Images flat, none;
        flat.resize({1, 6, 11, 1});
        std::fill(flat.begin(), flat.end(), 90);
        for (const auto blurred : {paper::Condition::lens_blur, paper::Condition::gaussian_blur})
            CHECK(paper::apply(blurred, 5, flat, rng) == flat);
        flat.resize({1, 1, 1, 1});
        none.resize({0, 8, 8, 3});
        for (const auto condition : paper::all_conditions) {
            CHECK(paper::apply(condition, 3, flat, rng).size() == 1);
            CHECK(paper::apply(condition, 3, none, rng).size() == 0);
            for (const int level : {0, 6, -1})
                CHECK(throws_naming<ValueError>([&] { paper::apply(condition, level, grey, rng); },
                                                {paper::name(condition), "1 to 5", std::to_string(level)}));
        }
        CHECK(paper::name(paper::Condition::noise) == "noise"); // 8, as in CURE-TSR's names
        CHECK(static_cast<int>(paper::Condition::noise) == 8);
        CHECK(paper::name(paper::Condition::haze) == "haze");
        CHECK(throws_naming<ValueError>([&] { paper::apply(paper::Condition{13}, 1, grey, rng); }, {"1 to 12", "13"}));
        CHECK_THROWS_AS(paper::name(paper::Condition{0}), ValueError);
    }
}
