#include "random_tensors.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("named tensors") {
    TEST_CASE("tensors by name: views with their shapes") {
        Rng rng(1);
        auto params = models::paper_cae(1).init(rng);
        const auto& fixed = params;
        const auto all = named_tensors(fixed);
        CHECK(all.size() == 16);
        CHECK(all.front().name == "encoder.0.weight");
        CHECK(all.front().shape == std::vector<std::size_t>{4, 4, 1, 32});
        const auto bias = tensor(params, "decoder.6.bias");
        CHECK(bias.shape == std::vector<std::size_t>{1});
        bias[0] = 7;
        CHECK(tensor(fixed, "decoder.6.bias")[0] == 7);
        CHECK(tensor(fixed, "decoder.6.bias").data() == bias.data());
        CHECK(throws_naming<ValueError>([&] { tensor(fixed, "decoder.1.weight"); },
                                        {"\"decoder.1.weight\"", "decoder.0.weight, decoder.0.bias"}));
        std::vector<float> span(3);
        const std::vector<std::span<float>> foreign{span};
        CHECK(tensor(foreign, "0").shape == std::vector<std::size_t>{3});
    }
}
