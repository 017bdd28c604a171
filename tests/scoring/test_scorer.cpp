#include "random_detector.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace gradcon;

TEST_SUITE("scorer") {
    TEST_CASE_TEMPLATE("a score is the loss of one image plus beta times the penalty of its own gradient", T, float,
                       double) {
        auto t = small_detector<T>({.beta = 0.7});
        using Model = decltype(t.model);
        const Scorer scorer{t.model, t.params, t.policy};
        const Scores scores = score_each(scorer, t.images, t.serial);
        TrainingWorkspace<Model, T> workspace(t.params);
        const double tolerance = 1e3 * double{std::numeric_limits<T>::epsilon()};
        for (std::size_t i = 0; i < 21; ++i) {
            const Losses losses =
                evaluate(t.model, t.params, t.policy, Batch<T>(t.images).slice(i, 1), workspace, t.serial);
            CHECK(scores.reconstruction_error()[i] == doctest::Approx(losses.reconstruction).epsilon(tolerance));
            CHECK(std::abs(scores.gradient(i) - losses.alignment) < tolerance);
            CHECK(std::abs(scores.score()[i] - (losses.reconstruction + 0.7 * losses.alignment)) < tolerance);
            const auto alignments = t.policy.alignments(workspace.reconstruction_gradient);
            for (std::size_t k = 0; k < scores.count(); ++k) {
                CHECK(std::abs(scores[i].cosine()[k] - alignments[k].cosine) < tolerance);
                CHECK(scores[i].gradient_norm()[k] ==
                      doctest::Approx(alignments[k].norm).epsilon(tolerance)); // a cosine hides a wrong scale
            }
        }
    }

    TEST_CASE("an image's bits are the same alone, in a batch, and for 1, 2, 3 and 8 threads") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        const Scores all = score_each(scorer, t.images, t.serial);
        for (const std::size_t threads : {1U, 2U, 3U, 8U}) {
            ThreadPool pool(threads);
            const Scores scores = score_each(scorer, t.images, pool);
            CHECK(scores.score() == all.score());
            CHECK(scores[Statistic::cosine] == all[Statistic::cosine]);
        }
        for (std::size_t i = 0; i < 21; i += 5) {
            const Scores alone = score_each(scorer, Batch<float>(t.images).slice(i, 1), t.serial);
            CHECK(alone.score()[0] == all.score()[i]);
        }
    }

    TEST_CASE("images of bytes score as the same images from 0 to 1") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        std::vector<std::uint8_t> bytes(t.images.size());
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::uint8_t>(random_index(t.rng, 256));
            t.images.data()[i] = static_cast<float>(bytes[i]) / 255;
        }
        const Batch<std::uint8_t> view(bytes.data(), {21, 9, 12, 2});
        CHECK(score_each(scorer, view, t.serial).score() == score_each(scorer, t.images, t.serial).score());
        auto workspace = scorer.workspace();
        CHECK(throws_naming<ValueError>([&] { scorer.score(view, 21, workspace); }, {"21"}));
    }

    TEST_CASE("one image, an image of many, the scores alone and all statistics: the same bits") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        std::vector workspaces(1, scorer.workspace());
        const auto score_all = [&](std::span<double> to) {
            score_each(scorer, t.images, t.serial, std::span(workspaces), to);
        };
        std::vector<double> score(21);
        score_all(score);
        const Scores all = score_each(scorer, t.images, t.serial);
        CHECK(score == all.score());
        Scores again;
        score_each(scorer, Batch<float>(t.images).slice(0, 3), t.serial, std::span(workspaces), again);
        score_each(scorer, t.images, t.serial, std::span(workspaces), again);
        for (const Statistic s : every_statistic) CHECK(again[s] == all[s]);
        auto& w = workspaces[0];
        const Batch<float> images(t.images), third = images.slice(3, 1);
        CHECK(scorer.score(images, 3, w) == all.score()[3]);
        CHECK(scorer.score(third, w) == all.score()[3]);
        CHECK(scorer.statistics(images, 3, w).reconstruction_error() == all.reconstruction_error()[3]);
        CHECK(std::ranges::equal(scorer.statistics(third, w).cosine(), all[3].cosine()));
        CHECK(throws_naming<ValueError>([&] { scorer.score(images, w); }, {"one image", "21"}));
        CHECK(throws_naming<ValueError>([&] { scorer.statistics(images.slice(0, 0), w); }, {"one image", "0"}));
        std::vector<double> wrong(20);
        CHECK(throws_naming<ValueError>([&] { score_all(wrong); }, {"21 images", "20"}));
        const std::span none(workspaces.data(), 0);
        CHECK(throws_naming<ValueError>([&] { score_each(scorer, t.images, t.serial, none, std::span<double>(score)); },
                                        {"1 workers"}));
        CHECK(throws_naming<ValueError>([&] { score_each(scorer, t.images, t.serial, none, again); }, {"1 workers"}));
    }

    TEST_CASE("copies of a scorer share what scoring reads") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        const Scorer copy = scorer;
        CHECK(&copy.model() == &scorer.model());
    }

    TEST_CASE("one workspace serves images of several sizes") {
        const Autoencoder model{Chain{{Conv2d{1, 3, {.kernel_size = 2, .stride = 2}}, Tanh{}}},
                                Chain{{ConvTranspose2d{3, 1, {.kernel_size = 2, .stride = 2}}, Sigmoid{}}}};
        auto t = random_detector(model, {6, 8, 8, 1});
        const Scorer scorer{t.model, t.params, t.policy};
        const auto large = random_images<float>({2, 10, 16, 1}, t.rng);
        const Scores fresh = score_each(scorer, large, t.serial), small = score_each(scorer, t.images, t.serial);
        std::vector workspaces(1, scorer.workspace());
        std::vector<double> score(2), score_small(6);
        score_each(scorer, t.images, t.serial, std::span(workspaces), std::span<double>(score_small));
        score_each(scorer, large, t.serial, std::span(workspaces), std::span<double>(score));
        CHECK(score == fresh.score());
        score_each(scorer, t.images, t.serial, std::span(workspaces), std::span<double>(score_small));
        CHECK(score_small == small.score());
    }

    TEST_CASE("a workspace that served another scorer gives the same bits, and keeps nothing of that scorer") {
        auto t = small_detector();
        GradCon all{t.params.decoder, {}, every_tensor};
        all.update(t.params.decoder);
        const Scorer scorer{t.model, t.params, t.policy};
        auto workspace = scorer.workspace();
        const Batch<float> images(t.images);
        const double expected = scorer.score(images, 2, workspace);
        CHECK(Scorer{t.model, t.params, all}.score(images, 2, workspace) != expected);
        const auto monitored = [&] {
            return std::ranges::count_if(workspace.reductions, [](const auto& r) { return r.reference != nullptr; });
        };
        CHECK(monitored() == static_cast<std::ptrdiff_t>(all.count()));
        const double score = scorer.score(images, 2, workspace);
        CHECK(monitored() == static_cast<std::ptrdiff_t>(scorer.count()));
        CHECK(score == expected);
    }

    TEST_CASE("no images, a pixel that is not a number, values outside [0, 1], a perfect reconstruction") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        CHECK(score_each(scorer, Batch<float>(nullptr, {0, 9, 12, 2}), t.serial).score().empty());
        auto spoiled = t.images;
        spoiled.data()[0] = std::numeric_limits<float>::quiet_NaN();
        const Scores scores = score_each(scorer, spoiled, t.serial), clean = score_each(scorer, t.images, t.serial);
        CHECK(!is_finite(scores.score()[0]));
        CHECK(std::equal(scores.score().begin() + 1, scores.score().end(), clean.score().begin() + 1));
        auto wild = t.images;
        wild.data()[3] = -1e6F;
        CHECK(is_finite(score_each(scorer, wild, t.serial).score()[0]));

        // All parameters zero: the Sigmoid gives 1/2 everywhere, and the gradient of an image of 1/2 is zero.
        auto dead = t.params;
        fill(dead, 0);
        auto grey = t.images;
        fill(grey, 0.5);
        const Scores perfect = score_each(Scorer{t.model, dead, t.policy}, grey, t.serial);
        CHECK(perfect.score()[0] == 0);
        CHECK(perfect[0].cosine()[0] == 0);
    }

    TEST_CASE("images and policies that do not fit are refused") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        const auto other = random_images<float>({1, 9, 12, 1}, t.rng), odd = random_images<float>({1, 9, 11, 2}, t.rng);
        CHECK_THROWS_AS(score_each(scorer, other, t.serial), ShapeError);
        CHECK(throws_naming<ShapeError>([&] { score_each(scorer, odd, t.serial); }, {"1 x 9 x 11 x 2", "nearest"}));
        const auto narrow = models::cae({.height = 9, .width = 12, .channels = 2, .widths = {4, 3}});
        const auto narrow_params = narrow.init(t.rng);
        CHECK(throws_naming<ShapeError>([&] { Scorer(narrow, narrow_params, t.policy); }, {"0.weight"}));
    }

    TEST_CASE("many threads score with one scorer, each with a workspace of its own") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        const Scores all = score_each(scorer, t.images, t.serial);
        std::vector<std::vector<double>> found(8, std::vector<double>(21));
        std::vector<std::thread> threads;
        for (auto& scores : found)
            threads.emplace_back([&] {
                auto workspace = scorer.workspace();
                for (std::size_t i = 0; i < 21; ++i) scores[i] = scorer.score(t.images, i, workspace);
            });
        for (auto& thread : threads) thread.join();
        for (const auto& scores : found) CHECK(scores == all.score());
    }

    TEST_CASE("one image's statistics are those of the batch, of scalars and of bytes, for any rule") {
        auto t = small_detector();
        std::vector<std::uint8_t> bytes(t.images.size());
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = static_cast<std::uint8_t>(random_index(t.rng, 256));
            t.images.data()[i] = static_cast<float>(bytes[i]) / 255;
        }
        const Batch<std::uint8_t> pixels(bytes.data(), {21, 9, 12, 2});
        const auto codes = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const auto codeless = fit_profile(t.model, t.params, t.policy, t.images, t.serial, {.largest_code = 1});
        const auto check = [&](const auto& scorer) {
            const Scores all = score_each(scorer, t.images, t.serial);
            auto workspace = scorer.workspace();
            const auto same = [&](const Statistics& s, std::size_t i) {
                const Statistics expected = all[i];
                for (const Statistic statistic : every_statistic) {
                    CHECK(s[statistic].size() == scorer.available().size(statistic));
                    CHECK(std::ranges::equal(s[statistic], expected[statistic]));
                }
                CHECK(is_nan(s.code_distance()) != scorer.has_codes());
            };
            for (const std::size_t i : {0U, 20U}) {
                same(scorer.statistics(Batch<float>(t.images), i, workspace), i);
                same(scorer.statistics(pixels, i, workspace), i);
            }
            CHECK(throws_naming<ValueError>([&] { scorer.statistics(pixels, 21, workspace); }, {"21"}));
        };
        const Scorer scorer{t.model, t.params, t.policy, codes};
        check(scorer);
        check(Scorer{t.model, t.params, t.policy, codeless});
        check(Scorer{t.model, t.params, t.policy});

        const Scores all = score_each(scorer, t.images, t.serial);
        auto workspace = scorer.workspace();
        constexpr Statistic terms[]{Statistic::code_distance, Statistic::cosine};
        const AnyScoreRule rules[]{GradConScore{}, FinishedAlignmentScore{}, recommended_score(all),
                                   ConformalSum::fit(terms, all)};
        for (const auto& rule : rules) CHECK(rule(scorer.statistics(pixels, 7, workspace)) == scores_by(rule, all)[7]);
    }
}
