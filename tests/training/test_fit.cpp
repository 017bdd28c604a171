#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace gradcon;

namespace {

using Model = Autoencoder<Chain, Chain>;
using Params = Model::Params<float>;
using Policy = GradCon<Chain::Params<float>>;

struct Setting {
    Model model = models::cae({.height = 9, .width = 12, .channels = 2, .widths = {4, 5}});
    Rng rng;
    Params params;
    Policy policy;
    Adam<Params> adam;
    Tensor<float, 4> images, held_out;

    explicit Setting(std::uint64_t seed = 5, std::size_t count = 37, double learning_rate = 3e-3)
        : rng(seed), params(model.init(rng)), policy(params.decoder, {}),
          adam(params, {.learning_rate = learning_rate}),
          images(random_images<float>({count, 9, 12, 2}, rng, 0.2, 0.4)),
          held_out(random_images<float>({11, 9, 12, 2}, rng, 0.2, 0.4)) {}

    template <class OnEpoch>
    FitResult fit(const FitOptions<float>& options, OnEpoch&& on_epoch) {
        return gradcon::fit(model, params, policy, adam, images, rng, options, on_epoch);
    }
    FitResult fit(const FitOptions<float>& options) {
        return gradcon::fit(model, params, policy, adam, images, rng, options);
    }
};

bool same(const Setting& a, const Setting& b) {
    bool equal = a.policy.reference().updates() == b.policy.reference().updates();
    for_each_tensor([&](const auto& x, const auto& y) { equal = equal && std::equal(x.begin(), x.end(), y.begin()); },
                    a.params, b.params);
    for (std::size_t i = 0; i < a.policy.count(); ++i)
        equal = equal && std::ranges::equal(a.policy.reference().exact(i), b.policy.reference().exact(i));
    return equal;
}

} // namespace

TEST_SUITE("fit") {
    TEST_CASE("the loss falls, and the short last batch counts as one update") {
        Setting t;
        std::vector<double> losses;
        const FitResult result = t.fit({.epochs = 4, .batch_size = 12}, [&](Epoch& epoch) {
            losses.push_back(epoch.training.total);
            CHECK(epoch.epochs == 4);
            CHECK(epoch.number == losses.size());
            CHECK(epoch.images_per_second > 0);
        });
        CHECK(result.epochs == 4);
        CHECK(losses.back() < losses.front());
        CHECK(t.policy.reference().updates() == 4 * 4); // 37 = 3 * 12 + 1
    }

    TEST_CASE("same seed, same bits, for 1, 2, 3 and 8 threads") {
        Setting one;
        one.fit({.epochs = 2, .batch_size = 32, .validation = one.held_out});
        for (const std::size_t threads : {1U, 2U, 3U, 8U}) {
            ThreadPool pool(threads);
            Setting many;
            many.fit({.epochs = 2, .batch_size = 32, .validation = many.held_out, .executor = &pool});
            CHECK(same(one, many));
        }
        Setting other(6);
        other.fit({.epochs = 2, .batch_size = 32});
        CHECK(!same(one, other));
    }

    TEST_CASE("the state of the best validation loss is what remains, parameters and reference together") {
        Setting t, until_best;
        std::size_t best = 0;
        double least = 0;
        const FitResult result = t.fit({.epochs = 6, .batch_size = 8, .validation = t.held_out}, [&](Epoch& epoch) {
            if (epoch.number == 1 || epoch.validation.total < least) {
                least = epoch.validation.total;
                best = epoch.number;
            }
            CHECK(epoch.best == (best == epoch.number));
            if (epoch.number == 3) epoch.learning_rate = 0.5; // spoils what comes after
        });
        CHECK(best == 3);
        CHECK(result.best_epoch == 3);
        CHECK(result.best.total == least);
        until_best.fit({.epochs = 3, .batch_size = 8});
        CHECK(same(t, until_best));
    }

    TEST_CASE("validation is evaluate over the images in order, batches weighted by their size") {
        Setting t;
        Losses seen;
        t.fit({.epochs = 1, .batch_size = 8, .validation = t.held_out}, [&](Epoch& epoch) { seen = epoch.validation; });
        TrainingWorkspace<Model, float> workspace(t.params);
        SerialExecutor serial;
        const auto part = [&](std::size_t first, std::size_t count) {
            return evaluate(t.model, t.params, t.policy, Batch<float>(t.held_out).slice(first, count), workspace,
                            serial);
        };
        const Losses a = part(0, 8), b = part(8, 3);
        CHECK(seen.total == doctest::Approx((8 * a.total + 3 * b.total) / 11).epsilon(1e-14));
        CHECK(seen.alignment == doctest::Approx((8 * a.alignment + 3 * b.alignment) / 11).epsilon(1e-14));
    }

    TEST_CASE("the callback can stop, and its exceptions pass") {
        Setting t;
        CHECK(t.fit({.epochs = 100}, [](Epoch& epoch) { epoch.stop = epoch.number == 2; }).epochs == 2);
        CHECK_THROWS_AS(t.fit({.epochs = 3}, [](Epoch&) { throw std::runtime_error("cancelled"); }),
                        std::runtime_error);
        const auto no_rate = [](Epoch& epoch) { epoch.learning_rate = std::numeric_limits<double>::quiet_NaN(); };
        CHECK(throws_naming<ValueError>([&] { t.fit({.epochs = 1}, no_rate); }, {"learning_rate", "nan"}));
    }

    TEST_CASE("a diverging training stops with an error and the last good state") {
        Setting t, until;
        const auto diverge = [&] {
            t.fit({.epochs = 50, .batch_size = 16}, [](Epoch& epoch) {
                if (epoch.number == 2) epoch.learning_rate = 1e30;
            });
        };
        CHECK(throws_naming<DivergenceError>(diverge, {"not finite", "1e+30", "epoch"}));
        for_each_tensor(
            [](const auto& tensor) {
                for (const float v : tensor) CHECK(is_finite(double{v}));
            },
            t.params);
        // From the very first step on: the state before training.
        Setting at_once(5, 37, 1e38), before;
        CHECK_THROWS_AS(at_once.fit({.epochs = 3, .batch_size = 4}), DivergenceError);
        CHECK(same(at_once, before));
        // Infinite parameters after a finite loss, in an epoch of one step without validation.
        Setting in_one_step(5, 37, 1e39);
        CHECK(throws_naming<DivergenceError>([&] { in_one_step.fit({.epochs = 1}); }, {"parameter", "not finite"}));
        CHECK(same(in_one_step, before));
    }

    TEST_CASE("a pixel that is not a number stops training at once, and nothing changes") {
        Setting t, before;
        t.images.data()[77] = std::numeric_limits<float>::quiet_NaN();
        CHECK_THROWS_AS(t.fit({.epochs = 1}), DivergenceError);
        CHECK(same(t, before));
    }

    TEST_CASE("one image, and one more than a batch") {
        Setting one(5, 1), more(5, 9);
        CHECK(one.fit({.epochs = 2}).epochs == 2);
        CHECK(more.fit({.epochs = 1, .batch_size = 8}).epochs == 1);
        CHECK(more.policy.reference().updates() == 2);
    }

    TEST_CASE("options outside their range, no images, images of another size") {
        Setting t, none(5, 0);
        CHECK_THROWS_AS(t.fit({.epochs = 0}), ValueError);
        CHECK_THROWS_AS(t.fit({.batch_size = 0}), ValueError);
        CHECK(throws_naming<ValueError>([&] { none.fit({.epochs = 1}); }, {"number of images", "0"}));
        t.images = random_images<float>({3, 9, 11, 2}, t.rng);
        CHECK_THROWS_AS(t.fit({.epochs = 1}), ShapeError);
        t.images = random_images<float>({3, 9, 12, 1}, t.rng);
        CHECK(throws_naming<ShapeError>([&] { t.fit({.epochs = 1}); }, {"3 x 9 x 12 x 1"}));
        Setting before;
        before.held_out = random_images<float>({3, 9, 11, 2}, before.rng); // noticed before the first epoch, not after
        const auto none_done = [](Epoch&) { FAIL("an epoch was trained"); };
        CHECK_THROWS_AS(before.fit({.epochs = 1, .validation = before.held_out}, none_done), ShapeError);
    }

    TEST_CASE("double, SGD, and a policy without the alignment train as well") {
        const Model model = models::cae({.height = 6, .width = 5, .widths = {3}});
        Rng rng(1);
        auto params = model.init<double>(rng);
        GradCon policy{params.decoder, {.alpha = 0}};
        Sgd sgd{params, {.learning_rate = 0.1, .momentum = 0.9}};
        const auto images = random_images<double>({20, 6, 5, 1}, rng, 0.6, 0.8);
        double first = 0, last = 0;
        fit(model, params, policy, sgd, images, rng, {.epochs = 20, .batch_size = 5}, [&](Epoch& epoch) {
            if (epoch.number == 1) first = epoch.training.total;
            last = epoch.training.total;
        });
        CHECK(last < 0.7 * first);
    }
}
