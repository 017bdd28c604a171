// No allocation in scoring once warm; and every allocation failing, one after the other.
#include "count_allocations.hpp"
#include "random_detector.hpp"
#include "surfaces.hpp"

#include <gradcon/detector/explainer.hpp>
#include <gradcon/io/checkpoint.hpp>
#include <gradcon/io/detector_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <new>

using namespace gradcon;

namespace {

/// Lets the first allocation of `action` fail, then the second, ... until it gets through. After each failure
/// `unharmed` is called. @return how many failed
template <class Action, class Unharmed>
std::size_t fail_each_allocation(Action&& action, Unharmed&& unharmed) {
    for (std::size_t failures = 0;; ++failures) {
        failing_allocation = failures + 1;
        try {
            action();
            failing_allocation = 0;
            return failures;
        } catch (const std::bad_alloc&) {
            failing_allocation = 0;
        } catch (const Error&) { // whose text could not be made
            failing_allocation = 0;
        }
        unharmed();
    }
}

} // namespace

TEST_SUITE("allocations") {
    TEST_CASE("watching for drift allocates nothing, nor does judging a score") {
        Rng rng(1);
        std::vector<double> normal(300);
        for (double& score : normal) score = standard_normal(rng);
        const Calibration calibration(normal);
        DriftMonitor monitor(calibration, {.window = 50}), copy = monitor;
        const std::size_t before = allocations;
        std::size_t alarms = 0;
        for (int i = 0; i < 200; ++i) {
            const double score = standard_normal(rng);
            alarms += monitor.add(score) + copy.add(score + 2) + calibration.is_anomalous(score);
            alarms += calibration.p_value(score) < 0 ? 1 : 0;
        }
        monitor.reset();
        CHECK(allocations == before);
        CHECK(copy.windows() == 4);
        CHECK(alarms >= 4);
    }

    TEST_CASE("scoring allocates nothing once the workspaces are warm") {
        const auto chain = small_detector();
        const auto paper = random_detector(models::paper_cae(1), {4, 28, 28, 1});
        const auto pooled = random_detector(
            Autoencoder{Chain{{Conv2d{2, 4, {.padding = 1}}, GroupNorm{2, 4}, ReLU{}, MaxPool2d{}}},
                        Chain{{ConvTranspose2d{4, 2, {.kernel_size = 2, .stride = 2}}, GroupNorm{1, 2}, Sigmoid{}}}},
            {4, 8, 6, 2});
        SerialExecutor serial;
        ThreadPool pool(2);
        constexpr std::array statistics{Statistic::fisher_norm, Statistic::code_distance};
        const auto check = [&](const auto& d, Executor& executor) {
            const Scorer s{d.model, d.params, d.policy};
            std::vector<double> score(d.images.shape()[0]);
            std::vector workspaces(executor.workers(), s.workspace());
            for (auto& w : workspaces) s.score(d.images, 0, w);
            Scores all;
            score_each(s, d.images, executor, std::span(workspaces), all);
            const std::vector<std::uint8_t> pixels(d.images.size(), 100);
            const TensorView<const float, 4> floats(d.images);
            const Batch<std::uint8_t> bytes(pixels.data(), floats.shape());
            s.score(bytes, 0, workspaces[0]);
            const Scorer profiled{d.model, d.params, d.policy,
                                  fit_profile(d.model, d.params, d.policy, d.images, executor)};
            const auto normal = score_each(profiled, d.images, executor);
            const AnyScoreRule rule = recommended_score(normal), conformal = ConformalSum::fit(statistics, normal);
            auto own = profiled.workspace();
            profiled.statistics(bytes, 0, own);
            std::size_t before = allocations;
            score_each(s, d.images, executor, std::span(workspaces), std::span(score));
            score_each(s, d.images, executor, std::span(workspaces), all);
            s.score(d.images, 1, workspaces[0]);
            s.score(bytes, 1, workspaces[0]);
            const double one = rule(profiled.statistics(Batch<float>(d.images), 1, own));
            const double other = conformal(profiled.statistics(bytes, 1, own));
            CHECK(allocations == before);
            CHECK(one == rule(normal[1]));
            CHECK(is_finite(other));
            before = allocations;
            ::operator delete(::operator new(1)); // that the counter counts
            CHECK(allocations == before + 1);
        };
        check(chain, serial);
        check(chain, pool);
        check(paper, pool);
        check(pooled, pool);
    }

    TEST_CASE("when memory ends while scoring, the next call gives the right score") {
        const auto d = small_detector();
        const Scorer scorer{d.model, d.params, d.policy};
        SerialExecutor serial;
        const Scores expected = score_each(scorer, d.images, serial);
        double score = 0;
        auto workspace = scorer.workspace();
        const auto score_one = [&] { score = scorer.score(d.images, 3, workspace); };
        std::size_t failures = 0;
        fail_each_allocation(
            [&] {
                auto cold = scorer.workspace();
                workspace = cold;
                score_one();
            },
            [&] {
                ++failures;
                score_one(); // with what the failure left
                CHECK(score == expected.score()[3]);
            });
        CHECK(failures > 10);
        ThreadPool pool(2);
        CHECK(fail_each_allocation([&] { score_each(scorer, d.images, pool); }, [] {}) > 10);
    }

    TEST_CASE("when memory ends in a training step, the step has not happened") {
        auto d = small_detector();
        using Model = decltype(d.model);
        auto expected = small_detector();
        const auto step = [](auto& detector, auto& adam, auto& workspace, Executor& executor) {
            train_step(detector.model, detector.params, detector.policy, adam, detector.images, workspace, executor);
        };
        Adam adam{d.params, {}}, adam_expected{expected.params, {}};
        TrainingWorkspace<Model, float> fresh(d.params), workspace(d.params);
        SerialExecutor serial;
        step(expected, adam_expected, workspace, serial);
        step(expected, adam_expected, workspace, serial);
        workspace = fresh;
        CHECK(fail_each_allocation([&] { step(d, adam, workspace, serial); },
                                   [&] {
                                       CHECK(adam.steps() == 0);
                                       CHECK(d.policy.reference().updates() == 3);
                                   }) > 10);
        CHECK(fail_each_allocation([&] { step(d, adam, workspace, serial); }, [&] { CHECK(adam.steps() == 1); }) > 0);
        for_each_tensor([](const auto& a, const auto& b) { CHECK(std::equal(a.begin(), a.end(), b.begin())); },
                        d.params, expected.params);
        CHECK(std::ranges::equal(d.policy.reference().exact(0), expected.policy.reference().exact(0)));
    }

    TEST_CASE("when memory ends while loading or saving, nothing is lost") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const auto saved = small_detector();
        io::save_model(path, saved.model, saved.params, saved.policy);
        const auto bytes = io::read_file(path);
        auto into = small_detector();
        fill(into.params, 0.02);
        const auto before = into.params;
        const auto same = [](const auto& a, const auto& b) {
            bool equal = true;
            for_each_tensor(
                [&](const auto& x, const auto& y) { equal = equal && std::equal(x.begin(), x.end(), y.begin()); }, a,
                b);
            return equal;
        };
        CHECK(fail_each_allocation([&] { io::load_model(path, into.model, into.params, into.policy); },
                                   [&] { CHECK(same(into.params, before)); }) > 100);
        CHECK(same(into.params, saved.params));
        fill(into.params, 0.02);
        CHECK(fail_each_allocation([&] { io::save_model(path, into.model, into.params, into.policy); },
                                   [&] { CHECK(io::read_file(path) == bytes); }) > 100);
        CHECK(io::read_file(path) != bytes);
        CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
    }

    TEST_CASE("when memory ends in an epoch, it has not happened; nor has the saving or loading of a training") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        const auto d = small_detector();
        const Training start{d.params, d.policy, Adam{d.params, {}}, d.rng};
        const auto train = [&](auto& training) {
            fit(d.model, training, d.images, {.epochs = 1, .batch_size = 16}, [](Epoch&) {});
        };
        const auto content = [&](const auto& training) {
            io::save_checkpoint(path, d.model, training);
            return io::read_file(path);
        };
        auto training = start, expected = start;
        const auto at_start = content(start);
        CHECK(fail_each_allocation([&] { train(training); }, [&] { CHECK(content(training) == at_start); }) > 100);
        train(expected);
        const auto trained = content(expected);
        CHECK(content(training) == trained);

        training = start;
        CHECK(fail_each_allocation([&] { io::load_checkpoint(path, d.model, training); },
                                   [&] {
                                       CHECK(training.epochs == 0);
                                       CHECK(training.rng == start.rng);
                                       CHECK(training.optimizer.steps() == 0);
                                   }) > 300);
        CHECK(content(training) == trained);
        CHECK(fail_each_allocation([&] { io::save_checkpoint(path, d.model, start); },
                                   [&] { CHECK(io::read_file(path) == trained); }) > 300);
        CHECK(io::read_file(path) == at_start);
    }

    TEST_CASE("a detector allocates nothing once a workspace has seen a picture of each size and kind") {
        const ImageInput input{.height = 9, .width = 12, .order = PixelOrder::rgb, .offset = -1, .scale = 2};
        const auto d =
            random_detector(models::cae({.height = 9, .width = 12, .channels = 3, .widths = {4, 5}}), {6, 9, 12, 3});
        const Detector detector(
            TrainedModel<float>{d.model, d.params, d.policy, {}, {}, input, Calibration({0.1, 0.2}), {}});
        const std::vector<std::uint8_t> bytes(40 * 30 * 4, 90);
        const std::vector<float> floats(40 * 30 * 3, 0.3F);
        std::vector<ImageView<std::uint8_t>> pictures;
        for (const std::size_t size : {40U, 7U, 30U, 12U}) // their sizes alternate
            pictures.push_back({.data = bytes.data(), .height = size, .width = 30, .order = PixelOrder::bgra});
        const ImageView<float> other{.data = floats.data(), .height = 30, .width = 40, .order = PixelOrder::rgb};
        for (const std::size_t threads : {1U, 2U}) {
            ThreadPool pool(threads);
            std::vector workspaces(threads, detector.workspace());
            for (auto& w : workspaces) {
                for (const auto& picture : pictures) detector.score(picture, w);
                detector.score(other, w);
            }
            std::vector<Verdict> verdicts(pictures.size());
            std::vector<double> cosines(pictures.size() * detector.scorer().count());
            const std::span<const ImageView<std::uint8_t>> all(pictures);
            const std::size_t before = allocations;
            for (int round = 0; round < 2; ++round)
                score_each(detector, all, pool, std::span(workspaces), std::span(verdicts), std::span(cosines));
            const Verdict v = detector.score(other, workspaces[0]);
            CHECK(allocations == before);
            CHECK(is_finite(v.score));
            CHECK(v.anomalous == detector.calibration().is_anomalous(v.score));
        }

        const TableInput table{.means = {1, 2, 3}, .deviations = {1, 1, 2}, .window = 2};
        const auto m = random_detector(models::mlp({.values = 6, .widths = {4}}), {6, 1, 1, 6});
        const Detector rows(TrainedModel<float>{m.model, m.params, m.policy, {}, {}, table, Calibration({0.1}), {}});
        const std::vector<double> numbers(6, 0.5);
        auto w = rows.workspace();
        rows.score(std::span(numbers), w);
        const std::size_t before = allocations;
        rows.score(std::span(numbers), w);
        CHECK(allocations == before);
    }

    TEST_CASE("when memory ends while a detector scores, loads or is saved, nothing is lost") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const ImageInput input{.height = 5, .width = 6};
        const auto d = random_detector(models::cae({.height = 5, .width = 6, .widths = {3}}), {3, 5, 6, 1});
        const TrainedModel<float> trained{
            d.model, d.params, d.policy, {}, {}, input, Calibration({0.1, 0.2}), {{"data", "noise"}}};
        const Detector detector(trained);
        const std::vector<std::uint8_t> bytes(100, 90);
        const ImageView<std::uint8_t> small{.data = bytes.data(), .height = 3, .width = 4},
            large{.data = bytes.data(), .height = 10, .width = 10};
        const std::array expected{detector.score(small).score, detector.score(large).score};
        auto scores = expected;
        auto workspace = detector.workspace();
        const auto score_both = [&] {
            scores = {};
            scores = {detector.score(small, workspace).score, detector.score(large, workspace).score};
        };
        CHECK(fail_each_allocation(
                  [&] {
                      auto cold = detector.workspace();
                      workspace = cold;
                      score_both();
                  },
                  [&] {
                      score_both(); // with what the failure left
                      CHECK(scores == expected);
                  }) > 10);
        io::save(trained, path);
        const auto before = io::read_file(path);
        auto changed = trained;
        changed.notes["data"] = "other";
        CHECK(fail_each_allocation([&] { io::save(changed, path); }, [&] { CHECK(io::read_file(path) == before); }) >
              100);
        CHECK(fail_each_allocation([&] { io::load(path); }, [] {}) > 100);
    }

    TEST_CASE("an explanation allocates nothing while pictures keep their size and kind, nor does a table's") {
        const ImageInput input{.height = 9, .width = 12, .order = PixelOrder::rgb, .offset = -1, .scale = 2};
        const auto d =
            random_detector(models::cae({.height = 9, .width = 12, .channels = 3, .widths = {4, 5}}), {6, 9, 12, 3});
        SerialExecutor serial;
        const auto profile = fit_profile(d.model, d.params, d.policy, d.images, serial);
        const auto rule = recommended_score(score_each(Scorer{d.model, d.params, d.policy, profile}, d.images, serial));
        const Explainer explainer{Detector(
            TrainedModel<float>{d.model, d.params, d.policy, profile, rule, input, Calibration({0.1, 0.2}), {}})};
        const std::vector<std::uint8_t> bytes(40 * 30 * 4, 90);
        const std::vector<float> floats(40 * 30, 0.3F);
        auto w = explainer.workspace();
        Explanation<float> e;
        const auto check = [&](const auto& by, const auto& sample, auto& workspace) {
            by.explain(sample, workspace, e);
            const std::size_t before = allocations;
            by.explain(sample, workspace, e);
            CHECK(allocations == before);
            CHECK(is_finite(e.verdict.score));
        };
        for (const std::size_t size : {40U, 7U, 12U})
            check(explainer,
                  ImageView<std::uint8_t>{.data = bytes.data(), .height = size, .width = 30, .order = PixelOrder::bgra},
                  w);
        check(explainer, ImageView<float>{.data = floats.data(), .height = 30, .width = 40}, w);

        const TableInput table{.means = {1, 2, 3}, .deviations = {1, 1, 2}, .window = 2};
        const auto m = random_detector(models::mlp({.values = 6, .widths = {4}}), {6, 1, 1, 6});
        const Explainer rows{
            Detector(TrainedModel<float>{m.model, m.params, m.policy, {}, {}, table, Calibration({0.1}), {}})};
        auto of_rows = rows.workspace();
        check(rows, std::vector<double>(6, 0.5), of_rows);
    }

    TEST_CASE("when memory ends while explaining, the next explanation is right") {
        const auto d = random_detector(models::cae({.height = 5, .width = 6, .widths = {3}}), {3, 5, 6, 1});
        const Explainer explainer{Detector(TrainedModel<float>{
            d.model, d.params, d.policy, {}, {}, ImageInput{.height = 5, .width = 6}, Calibration({0.1}), {}})};
        const std::vector<std::uint8_t> bytes(110, 90);
        const ImageView<std::uint8_t> small{.data = bytes.data(), .height = 3, .width = 4},
            large{.data = bytes.data(), .height = 10, .width = 11};
        auto w = explainer.workspace();
        Explanation<float> e;
        const auto explain_both = [&] {
            explainer.explain(small, w, e);
            explainer.explain(large, w, e);
            return std::vector<float>(e.attribution.begin(), e.attribution.end());
        };
        const auto expected = explain_both();
        CHECK(fail_each_allocation(
                  [&] {
                      auto cold = explainer.workspace();
                      w = cold;
                      e = {};
                      explain_both();
                  },
                  [&] { CHECK(explain_both() == expected); }) > 30); // with what the failure left
    }

    TEST_CASE("inspection allocates nothing once a workspace is warm, whatever the score rule looks at") {
        using namespace made_surfaces;
        LocalModel model = learned().model();
        const auto pictures = surfaces(3, 5);
        for (const bool all : {false, true}) {
            if (all) model.trained.score_rule = GradConScore{}; // of the gradients too
            const gradcon::Inspector inspector(patches, model);
            auto w = inspector.workspace();
            for (const Pixels& pixels : pictures) inspector.inspect(view(pixels), w);
            const std::size_t before = allocations;
            double sum = 0;
            for (int round = 0; round < 3; ++round)
                for (const Pixels& pixels : pictures) sum += inspector.inspect(view(pixels), w).score;
            CHECK(allocations == before);
            CHECK(is_finite(sum));
        }
    }

    TEST_CASE("when memory ends while inspecting, the next inspection is right") {
        using namespace made_surfaces;
        const auto inspector = learned();
        const auto picture = surfaces(1, 5)[0];
        auto w = inspector.workspace();
        const double expected = inspector.inspect(view(picture), w).score;
        CHECK(fail_each_allocation(
                  [&] {
                      w = inspector.workspace();
                      inspector.inspect(view(picture), w);
                  },
                  [&] { CHECK(inspector.inspect(view(picture), w).score == expected); }) > 10);
    }
}
