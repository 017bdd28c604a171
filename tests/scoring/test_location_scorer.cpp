#include "random_tensors.hpp"

#include <gradcon/constraint/gradcon.hpp>
#include <gradcon/core/executor.hpp>
#include <gradcon/nn/models.hpp>
#include <gradcon/scoring/location_scorer.hpp>
#include <gradcon/scoring/profile.hpp>
#include <gradcon/scoring/scorer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace {

/// An autoencoder of locations with references and a profile, not trained.
template <class T>
struct Local {
    using Model = gradcon::Autoencoder<gradcon::Chain, gradcon::Chain>;
    Model model;
    typename Model::template Params<T> params;
    gradcon::GradCon<typename gradcon::Chain::Params<T>> policy;
    gradcon::GradientProfile<T> profile;
    gradcon::Tensor<T, 4> locations;

    template <class Monitored>
    Local(Model network, std::size_t values, std::size_t count, Monitored monitored)
        : model(std::move(network)), params(init()), policy(params.decoder, {}, monitored) {
        gradcon::Rng rng(2);
        locations = random_images<T>({count, 1, 1, values}, rng, -1, 1);
        auto gradient = gradcon::zeros_like(params);
        for (int step = 0; step < 3; ++step) {
            randomize(gradient.decoder, rng);
            policy.update(gradient.decoder);
        }
        gradcon::SerialExecutor serial;
        profile = gradcon::fit_profile(model, params, policy, gradcon::Batch<T>(locations), serial);
    }
    auto init() const {
        gradcon::Rng rng(1);
        return model.template init<T>(rng);
    }
};

template <class T>
void check_equals_scorer(const Local<T>& local) {
    const gradcon::Scorer scorer{local.model, local.params, local.policy, local.profile};
    gradcon::SerialExecutor serial;
    const auto expected = gradcon::score_each(scorer, local.locations, serial);
    const gradcon::LocationScorer<T> scorer_of_locations{scorer.model()};
    auto workspace = scorer_of_locations.workspace();
    gradcon::Scores scores;
    scorer_of_locations.score(std::span<const T>(local.locations.data(), local.locations.size()), workspace, scores);
    // both sum some hundred products of numbers of size 1, in another order
    const double tolerance = 2000 * double{std::numeric_limits<T>::epsilon()};
    for (const gradcon::Statistic s : gradcon::every_statistic) {
        CAPTURE(gradcon::info(s).name);
        REQUIRE(scores[s].size() == expected[s].size());
        REQUIRE(!scores[s].empty());
        for (std::size_t i = 0; i < scores[s].size(); ++i)
            CHECK(std::abs(scores[s][i] - expected[s][i]) <= tolerance * std::max(1.0, std::abs(expected[s][i])));
    }
}

} // namespace

TEST_SUITE("location scorer") {
    TEST_CASE_TEMPLATE("the statistics are those that Scorer gives for each location alone", T, float, double) {
        const auto weights = [](const gradcon::TensorInfo& t) { return t.name.ends_with("weight"); };
        const auto all = [](const gradcon::TensorInfo&) { return true; };
        for (const std::size_t count : {1U, 7U, 128U, 300U}) // fewer than a block, one, several
            check_equals_scorer<T>({gradcon::models::mlp({.values = 19, .widths = {24, 5}}), 19, count, weights});
        check_equals_scorer<T>({gradcon::models::mlp({.values = 6, .widths = {9, 7, 3}}), 6, 40, all});
        using gradcon::Linear, gradcon::Chain;
        check_equals_scorer<T>({{Chain{{Linear{6, 4}}}, Chain{{gradcon::Tanh{}, Linear{4, 9}, gradcon::LeakyReLU{0.2},
                                                               Linear{9, 7}, gradcon::Sigmoid{}, Linear{7, 6}}}},
                                6,
                                40,
                                weights});
    }

    TEST_CASE("what is not wanted is not computed, and changes nothing else") {
        const Local<float> local({gradcon::models::mlp({.values = 8, .widths = {12, 3}}), 8, 50,
                                  [](const gradcon::TensorInfo& t) { return t.name.ends_with("weight"); }});
        const gradcon::Scorer scorer{local.model, local.params, local.policy, local.profile};
        const gradcon::LocationScorer<float> all{scorer.model()};
        const std::array wanted{gradcon::Statistic::mean_cosine};
        const gradcon::LocationScorer<float> some{scorer.model(), wanted};
        auto workspace = all.workspace();
        gradcon::Scores a, b;
        const std::span<const float> locations(local.locations.data(), local.locations.size());
        all.score(locations, workspace, a);
        some.score(locations, workspace, b);
        CHECK(b[gradcon::Statistic::cosine].empty());
        CHECK(b[gradcon::Statistic::code_distance].empty());
        const std::array no_gradient{gradcon::Statistic::code_distance};
        gradcon::Scores c;
        gradcon::LocationScorer<float>(scorer.model(), no_gradient).score(locations, workspace, c);
        CHECK(a[gradcon::Statistic::code_distance] == c[gradcon::Statistic::code_distance]);
        CHECK(a[gradcon::Statistic::reconstruction_error] == c[gradcon::Statistic::reconstruction_error]);
        CHECK(gradcon::is_nan(c.score()[0])); // std::isnan is always false with -ffast-math
        for (const auto s :
             {gradcon::Statistic::score, gradcon::Statistic::reconstruction_error, gradcon::Statistic::mean_cosine})
            CHECK(a[s] == b[s]);
    }

    TEST_CASE("networks that it cannot score, and numbers that fill no location, are refused") {
        using gradcon::Linear, gradcon::Chain;
        const auto weights = [](const gradcon::TensorInfo& t) { return t.name.ends_with("weight"); };
        const Local<float> local({gradcon::models::mlp({.values = 8, .widths = {12, 3}}), 8, 5, weights});
        const gradcon::Scorer scorer{local.model, local.params, local.policy};
        const gradcon::LocationScorer<float> locations{scorer.model()};
        auto workspace = locations.workspace();
        gradcon::Scores scores;
        CHECK_THROWS_WITH_AS(locations.score(std::span<const float>(local.locations.data(), 9), workspace, scores),
                             "LocationScorer: 9 numbers do not fill locations of 8", gradcon::ShapeError);
        const Local<float> convolution(
            {{Chain{{Linear{4, 4}}},
              Chain{{gradcon::Unflatten{2, 2, 1}, gradcon::Conv2d(1, 1, {.kernel_size = 1}), gradcon::Flatten{}}}},
             4,
             5,
             weights});
        const gradcon::Scorer of_convolution{convolution.model, convolution.params, convolution.policy};
        CHECK_THROWS_AS(gradcon::LocationScorer<float>{of_convolution.model()}, gradcon::ValueError);
        const Local<float> reshaped({{Chain{{gradcon::Tanh{}, Linear{4, 4}}}, Chain{{Linear{4, 4}}}}, 4, 5, weights});
        const gradcon::Scorer of_reshaped{reshaped.model, reshaped.params, reshaped.policy};
        CHECK_THROWS_WITH_AS(gradcon::LocationScorer<float>{of_reshaped.model()},
                             "LocationScorer: the encoder must begin with a Linear layer", gradcon::ValueError);
        auto other = local.profile;
        other.code_mean.resize(2);
        other.code_whitening.resize(4);
        const gradcon::Scorer of_other{local.model, local.params, local.policy, other};
        CHECK_THROWS_AS(gradcon::LocationScorer<float>{of_other.model()}, gradcon::ShapeError);
    }
}
