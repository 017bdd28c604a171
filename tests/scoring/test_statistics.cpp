#include "random_scores.hpp"

#include <gradcon/core/finite.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace gradcon;

namespace {

template <class S>
concept GivesSamples = requires(S&& scores) {
    std::forward<S>(scores)[0];
};
static_assert(GivesSamples<const Scores&> && !GivesSamples<Scores> && !GivesSamples<const Scores>);

bool same(const Statistics& a, const Statistics& b) {
    return std::ranges::all_of(every_statistic, [&](Statistic s) { return std::ranges::equal(a[s], b[s]); });
}

} // namespace

TEST_SUITE("statistics") {
    TEST_CASE("the table: names of model files, and what a scorer must have") {
        CHECK(std::vector<std::string>(statistic_names.begin(), statistic_names.end()) ==
              std::vector<std::string>{"score", "reconstruction_error", "cosine", "gradient_norm", "latent_divergence",
                                       "mean_cosine", "fisher_norm", "code_distance"});
        const auto sizes = [](const Available& available) {
            std::vector<std::size_t> all;
            for (const Statistic s : every_statistic) all.push_back(available.size(s));
            return all;
        };
        CHECK(sizes({3}) == std::vector<std::size_t>{1, 1, 3, 3, 1, 0, 0, 0});
        CHECK(sizes({3, true}) == std::vector<std::size_t>{1, 1, 3, 3, 1, 3, 3, 0});
        CHECK(sizes({3, true, true}) == std::vector<std::size_t>{1, 1, 3, 3, 1, 3, 3, 1});
    }

    TEST_CASE("a sample's statistics are its own, by index and by name") {
        Rng rng(1);
        const Scores scores = random_scores(4, rng);
        CHECK(scores.samples() == 4);
        CHECK(scores.count() == 2);
        const Statistics s = scores[2];
        CHECK(s.score() == scores.score()[2]);
        CHECK(s.reconstruction_error() == scores.reconstruction_error()[2]);
        CHECK(s.latent_divergence() == scores[Statistic::latent_divergence][2]);
        CHECK(s.code_distance() == scores[Statistic::code_distance][2]);
        const auto third = [&](std::span<const double> values, Statistic statistic) {
            return std::ranges::equal(values, std::span(scores[statistic]).subspan(4, 2));
        };
        CHECK(third(s.cosine(), Statistic::cosine));
        CHECK(third(s.gradient_norm(), Statistic::gradient_norm));
        CHECK(third(s.mean_cosine(), Statistic::mean_cosine));
        CHECK(third(s.fisher_norm(), Statistic::fisher_norm));
        CHECK(scores.gradient(2) == -(s.cosine()[0] + s.cosine()[1]) / 2);
    }

    TEST_CASE("added and replaced samples, numbers that are none included") {
        Rng rng(2);
        Scores from = random_scores(3, rng);
        from[Statistic::code_distance][1] = std::numeric_limits<double>::infinity();
        Scores added, replaced;
        replaced.resize(3, {2, true, true});
        for (std::size_t i = 0; i < 3; ++i) {
            added.add(from[i]);
            replaced.set(2 - i, from[2 - i]);
        }
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(same(added[i], from[i]));
            CHECK(same(replaced[i], from[i]));
        }
    }

    TEST_CASE("what a scorer lacks is empty, and NaN by name") {
        Scores scores;
        CHECK(scores.count() == 0);
        scores.resize(2, {3});
        CHECK(scores.samples() == 2);
        CHECK(scores.count() == 3);
        CHECK(scores[Statistic::code_distance].empty());
        CHECK(is_nan(scores[1].code_distance()));
        CHECK(scores[1].mean_cosine().empty());
        Scores more;
        more.add(scores[0]);
        CHECK(more[Statistic::fisher_norm].empty());
        CHECK(more[0].cosine().size() == 3);
    }
}
