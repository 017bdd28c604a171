#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <functional>

using namespace gradcon;

namespace {

Epoch epoch(std::size_t number, double validation, double rate = 1) {
    Epoch e;
    e.number = number;
    e.epochs = 10;
    e.validated = true;
    e.validation.total = validation;
    e.learning_rate = rate;
    return e;
}

} // namespace

TEST_SUITE("callbacks") {
    TEST_CASE("early stopping counts epochs since the least loss") {
        EarlyStopping stopping{.patience = 2};
        const double losses[]{5, 4, 4.5, 3, 3, 3};
        const bool stops[]{false, false, false, false, false, true};
        for (std::size_t i = 0; i < 6; ++i) {
            Epoch e = epoch(i + 1, losses[i]);
            stopping(e);
            CHECK(e.stop == stops[i]);
        }
        EarlyStopping of_training{.patience = 1};
        Epoch e;
        e.training.total = -1;
        of_training(e);
        CHECK(!e.stop);
        of_training(e);
        CHECK(e.stop);
    }

    TEST_CASE("schedules of the learning rate") {
        StepDecay steps{.factor = 0.1, .every = 3};
        for (std::size_t i = 1; i <= 6; ++i) {
            Epoch e = epoch(i, 1);
            steps(e);
            CHECK(e.learning_rate == (i % 3 == 0 ? 0.1 : 1));
        }
        const CosineDecay cosine{.first = 3, .last = 1};
        const auto after = [&](std::size_t number) {
            Epoch e = epoch(number, 1);
            cosine(e);
            return e.learning_rate;
        };
        CHECK(after(5) == doctest::Approx(2));
        CHECK(after(10) == doctest::Approx(1));
        CHECK(after(1) > after(2));
    }

    TEST_CASE("combined, in order, in fit") {
        const auto model = models::cae({.height = 5, .width = 6, .widths = {2}});
        Rng rng(1);
        auto params = model.init(rng);
        GradCon policy{params.decoder, {}};
        Adam adam{params, {.learning_rate = 1e-2}};
        const auto images = random_images<float>({20, 5, 6, 1}, rng);
        std::vector<double> rates;
        EarlyStopping stopping{.patience = 100};
        const auto result = fit(model, params, policy, adam, images, rng, {.epochs = 8},
                                all(StepDecay{.factor = 0.5, .every = 1}, std::ref(stopping), [&](Epoch& e) {
                                    rates.push_back(e.learning_rate);
                                    e.stop = e.number == 3;
                                }));
        CHECK(result.epochs == 3);
        CHECK(rates == std::vector<double>{0.5e-2, 0.25e-2, 0.125e-2});
        CHECK(adam.learning_rate() == 0.125e-2);
        CHECK(stopping.least < 1);
    }
}
