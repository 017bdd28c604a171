#include "random_detector.hpp"

#include <gradcon/detector/trained_model.hpp>

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("trained models") {
    TEST_CASE("a network known at compile time becomes a TrainedModel with the same scores") {
        const Autoencoder model{
            Sequential{Conv2d{1, 3, {.kernel_size = 4, .stride = 2, .padding = 1}}, ReLU{}, Flatten{}, Linear{48, 5}},
            Sequential{Linear{5, 48}, Unflatten{4, 4, 3}, LeakyReLU{0.2},
                       ConvTranspose2d{3, 1, {.kernel_size = 4, .stride = 2, .padding = 1}}, Sigmoid{}}};
        auto own = random_detector(model, {4, 8, 8, 1}, {.alpha = 0.1, .beta = 0.7});
        const auto trained = to_trained_model(own.model, own.params, own.policy);
        std::vector<std::string> names, chain_names;
        for_each_named_tensor([&](const std::string& name, const auto&) { names.push_back(name); }, own.params);
        for_each_named_tensor([&](const std::string& name, const auto&) { chain_names.push_back(name); },
                              trained.params);
        CHECK(chain_names == names);
        CHECK(trained.policy.names() == own.policy.names());
        CHECK(trained.policy.reference().updates() == 3);
        const Scorer scorer{trained.model, trained.params, trained.policy};
        CHECK(score_each(scorer, own.images, own.serial).score() == own.scores());
    }

    TEST_CASE("only shipped layers go into a chain") {
        struct Own : ReLU {};
        static_assert(std::is_constructible_v<Chain, const Sequential<ReLU, Linear>&>);
        static_assert(!std::is_constructible_v<Chain, const Sequential<ReLU, Own>&>);
    }
}
