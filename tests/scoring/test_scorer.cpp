#include "random_detector.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace gradcon;

TEST_SUITE("score") {
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
            CHECK(scores.reconstruction_error[i] == doctest::Approx(losses.reconstruction).epsilon(tolerance));
            CHECK(std::abs(scores.gradient(i) - losses.alignment) < tolerance);
            CHECK(std::abs(scores.score[i] - (losses.reconstruction + 0.7 * losses.alignment)) < tolerance);
            const auto alignments = t.policy.alignments(workspace.reconstruction_gradient);
            for (std::size_t k = 0; k < scores.count; ++k) {
                CHECK(std::abs(scores.cosine[i * scores.count + k] - alignments[k].cosine) < tolerance);
                CHECK(scores.gradient_norm[i * scores.count + k] ==
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
            CHECK(scores.score == all.score);
            CHECK(scores.cosine == all.cosine);
        }
        for (std::size_t i = 0; i < 21; i += 5) {
            const Scores alone = score_each(scorer, Batch<float>(t.images).slice(i, 1), t.serial);
            CHECK(alone.score[0] == all.score[i]);
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
        CHECK(score_each(scorer, view, t.serial).score == score_each(scorer, t.images, t.serial).score);
        auto workspace = scorer.workspace();
        CHECK(throws_naming<ValueError>([&] { scorer.score(view, 21, workspace, {}); }, {"21"}));
    }

    TEST_CASE("outputs are written where the caller says, and only what is asked for") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        std::vector workspaces(1, scorer.workspace());
        std::vector<double> score(21), error(21), wrong(20);
        score_each(scorer, t.images, t.serial, std::span(workspaces), {.score = score});
        score_each(scorer, t.images, t.serial, std::span(workspaces), {.reconstruction_error = error});
        const Scores all = score_each(scorer, t.images, t.serial);
        CHECK(score == all.score);
        CHECK(error == all.reconstruction_error);
        CHECK(throws_naming<ValueError>(
            [&] { score_each(scorer, t.images, t.serial, std::span(workspaces), {.score = wrong}); },
            {"21 images", "20"}));
        CHECK(throws_naming<ValueError>(
            [&] { score_each(scorer, t.images, t.serial, std::span(workspaces).first(0), {.score = score}); },
            {"1 workers"}));
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
        score_each(scorer, t.images, t.serial, std::span(workspaces), {.score = score_small});
        score_each(scorer, large, t.serial, std::span(workspaces), {.score = score});
        CHECK(score == fresh.score);
        score_each(scorer, t.images, t.serial, std::span(workspaces), {.score = score_small});
        CHECK(score_small == small.score);
    }

    TEST_CASE("a workspace that served another scorer gives the same bits, and keeps nothing of that scorer") {
        auto t = small_detector();
        GradCon all{t.params.decoder, {}, every_tensor};
        all.update(t.params.decoder);
        const Scorer scorer{t.model, t.params, t.policy};
        auto workspace = scorer.workspace();
        std::vector<double> expected(21), score(21);
        scorer.score(Batch<float>(t.images), 2, workspace, {.score = expected});
        Scorer{t.model, t.params, all}.score(Batch<float>(t.images), 2, workspace, {.score = score});
        const auto monitored = [&] {
            return std::ranges::count_if(workspace.reductions, [](const auto& r) { return r.reference != nullptr; });
        };
        CHECK(monitored() == static_cast<std::ptrdiff_t>(all.count()));
        CHECK(score != expected);
        scorer.score(Batch<float>(t.images), 2, workspace, {.score = score});
        CHECK(monitored() == static_cast<std::ptrdiff_t>(scorer.count()));
        CHECK(score == expected);
    }

    TEST_CASE("no images, a pixel that is not a number, values outside [0, 1], a perfect reconstruction") {
        auto t = small_detector();
        const Scorer scorer{t.model, t.params, t.policy};
        CHECK(score_each(scorer, Batch<float>(nullptr, {0, 9, 12, 2}), t.serial).score.empty());
        auto spoiled = t.images;
        spoiled.data()[0] = std::numeric_limits<float>::quiet_NaN();
        const Scores scores = score_each(scorer, spoiled, t.serial), clean = score_each(scorer, t.images, t.serial);
        CHECK(!is_finite(scores.score[0]));
        CHECK(std::equal(scores.score.begin() + 1, scores.score.end(), clean.score.begin() + 1));
        auto wild = t.images;
        wild.data()[3] = -1e6F;
        CHECK(is_finite(score_each(scorer, wild, t.serial).score[0]));

        // All parameters zero: the Sigmoid gives 1/2 everywhere, and the gradient of an image of 1/2 is zero.
        auto dead = t.params;
        fill(dead, 0);
        auto grey = t.images;
        fill(grey, 0.5);
        const Scores perfect = score_each(Scorer{t.model, dead, t.policy}, grey, t.serial);
        CHECK(perfect.score[0] == 0);
        CHECK(perfect.cosine[0] == 0);
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
                for (std::size_t i = 0; i < 21; ++i)
                    scorer.score(Batch<float>(t.images), i, workspace, {.score = scores});
            });
        for (auto& thread : threads) thread.join();
        for (const auto& scores : found) CHECK(scores == all.score);
    }
}
