#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>

using namespace gradcon;

namespace {
using Spans = std::vector<std::span<const float>>;
using Writable = std::vector<std::span<float>>;
} // namespace

TEST_SUITE("constraint") {
    TEST_CASE("the penalty's gradient equals central differences") {
        Rng rng(1);
        const std::vector<std::size_t> sizes{5, 300};
        using Tree = std::vector<std::vector<double>>;
        Tree g{random_values<double>(5, rng), random_values<double>(300, rng)}, reference = g, u = g;
        randomize(reference, rng);
        fill(u, 0);
        GradCon<Tree> policy{g, {}};
        policy.update(reference);
        const double penalty = policy.add_penalty_gradient(g, u);
        CHECK(penalty ==
              doctest::Approx(-(cosine(dot(g[0], reference[0]), dot(g[0], g[0]), dot(reference[0], reference[0])) +
                                cosine(dot(g[1], reference[1]), dot(g[1], g[1]), dot(reference[1], reference[1]))) /
                              2)
                  .epsilon(1e-14));
        for (std::size_t tensor = 0; tensor < 2; ++tensor)
            for (std::size_t i = 0; i < 5; ++i) {
                Tree after = g, before = g;
                after[tensor][i] += 1e-6;
                before[tensor][i] -= 1e-6;
                CHECK(u[tensor][i] ==
                      doctest::Approx((policy.penalty(after) - policy.penalty(before)) / 2e-6).epsilon(1e-7));
            }
        // The cosine does not change along g: its gradient is orthogonal to g.
        CHECK(std::abs(dot(u[1], g[1])) < 1e-15);
    }

    TEST_CASE("own gradients as views of foreign memory, nothing copied") {
        std::vector<float> a{3, 4}, b{0, 0, 2}, u_a(2), u_b(3);
        const Spans g{a, b};
        GradCon<Spans> policy{g, {.alpha = 0.03, .beta = 0.5}};
        CHECK(policy.count() == 2);
        CHECK(policy.score(1.0, g) == 1.0); // no reference yet
        policy.update(g);
        CHECK(policy.score(1.0, g) == doctest::Approx(0.5)); // perfectly aligned: 1 - 0.5 * 1
        a = {-4, 3};                                         // orthogonal
        b = {0, 0, -7};                                      // opposite
        CHECK(policy.score(1.0, g) == doctest::Approx(1.0 + 0.5 * 0.5));
        Writable u{u_a, u_b};
        CHECK(policy.add_penalty_gradient(g, u) == doctest::Approx(0.5));
        CHECK(u_a[0] == doctest::Approx(-0.5 * 0.6 / 5));
        CHECK(u_a[1] == doctest::Approx(-0.5 * 0.8 / 5));
        CHECK(u_b[2] == doctest::Approx(0)); // at cos = -1 the gradient is 0
    }

    TEST_CASE("zero gradients and zero references have cosine 0 and no direction") {
        std::vector<float> zero(4), some{1, 2, 3, 4}, u(4);
        GradCon<Spans> policy{Spans{some}, {}};
        policy.update(Spans{some});
        Writable direction{u};
        CHECK(policy.add_penalty_gradient(Spans{zero}, direction) == 0);
        CHECK(u == std::vector<float>(4));
        GradCon<Spans> dead{Spans{some}, {}};
        dead.update(Spans{zero});
        CHECK(dead.add_penalty_gradient(Spans{some}, direction) == 0);
        CHECK(u == std::vector<float>(4));
        CHECK(dead.score(2, Spans{some}) == 2);
    }

    TEST_CASE("the reference is the mean of all gradients") {
        std::vector<float> a{1}, b{3}, c{8};
        GradCon<Spans> mean{Spans{a}, {}};
        for (const auto& g : {a, b, c}) mean.update(Spans{g});
        CHECK(mean.reference().values(0)[0] == 4.0F);
        CHECK(mean.reference().updates() == 3);
    }

    TEST_CASE("a reference beyond 2^24 updates still moves") {
        std::vector<float> one{1}, two{2};
        GradCon<Spans> policy{Spans{one}, {}};
        const std::uint64_t many = std::uint64_t{1} << 26;
        policy.reference().restore({{1.0}}, many);
        policy.update(Spans{two});
        CHECK(policy.reference().exact(0)[0] ==
              doctest::Approx(1 + 1.0 / static_cast<double>(many + 1)).epsilon(1e-16));
        CHECK(policy.reference().exact(0)[0] > 1);
        CHECK(policy.reference().updates() == many + 1);
    }

    TEST_CASE("selectors") {
        Rng rng(1);
        const auto cae = models::paper_cae(1).init(rng);
        const GradCon by_default{cae.decoder, {}};
        CHECK(by_default.names() == std::vector<std::string>{"0.weight", "2.weight", "4.weight", "6.weight"});
        CHECK(GradCon<decltype(cae.decoder)>(cae.decoder, {}, every_tensor).count() == 8);
        const auto no_tensor = [](const TensorInfo&) { return false; };
        CHECK(throws_naming<ValueError>([&] { GradCon<decltype(cae.decoder)>(cae.decoder, {}, no_tensor); },
                                        {"selector"}));
        const auto mlp = Sequential{Linear{3, 4}, ReLU{}, Linear{4, 3}}.init(rng);
        CHECK(GradCon{mlp, {}}.names() == std::vector<std::string>{"0.weight", "2.weight"});
    }

    TEST_CASE("options outside their range and trees of another form are refused") {
        std::vector<float> a(3), longer(4);
        const double nan = std::nan("");
        CHECK_THROWS_AS(GradCon<Spans>(Spans{a}, {.alpha = -1}), ValueError);
        CHECK_THROWS_AS(GradCon<Spans>(Spans{a}, {.beta = nan}), ValueError);
        const GradCon<Spans> policy{Spans{a}, {}};
        CHECK(throws_naming<ShapeError>([&] { static_cast<void>(policy.penalty(Spans{longer})); },
                                        {"has 4", "its reference 3"}));
        CHECK(
            throws_naming<ShapeError>([&] { static_cast<void>(policy.penalty(Spans{})); }, {"1 monitored", "0 found"}));
        GradCon<Spans> other{Spans{a}, {}};
        CHECK_THROWS_AS(other.reference().restore({{1.0, 2.0}}, 1), ShapeError);
        CHECK_THROWS_AS(other.reference().restore({}, 1), ShapeError);
    }
}
