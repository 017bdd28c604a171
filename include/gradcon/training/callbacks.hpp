#pragma once

#include "gradcon/training/fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numbers>
#include <tuple>
#include <utility>

// What fit and learn may call after each epoch. A callback is any callable that takes Epoch&: it may read how training
// goes, change the next epoch's learning rate, and stop. `all` combines several:
//
//     auto callbacks = gradcon::all(gradcon::CosineDecay{.first = 1e-3, .last = 1e-5},
//                                   gradcon::EarlyStopping{.patience = 10},
//                                   [&](gradcon::Epoch& epoch) { losses.push_back(epoch.training.total); });
//     gradcon::fit(model, params, policy, adam, images, rng, {.epochs = 200, .validation = held_out}, callbacks);
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Several callbacks as one, called in turn: see `all`.
template <class... Callbacks>
struct Combined {
    std::tuple<Callbacks...> callbacks;

    void operator()(Epoch& epoch) {
        std::apply([&](auto&... each) { (std::invoke(each, epoch), ...); }, callbacks);
    }
};

/// Combines callbacks. It keeps copies; wrap one in std::ref to keep using it yourself.
template <class... Callbacks>
Combined<Callbacks...> all(Callbacks... callbacks) {
    return {{std::move(callbacks)...}};
}

/// Stops when the validation loss (without validation images, the training loss) has had no new least value for
/// `patience` epochs, 1 or more.
struct EarlyStopping {
    std::size_t patience = 20;
    std::size_t waited = 0;                                 // epochs since the least loss
    double least = std::numeric_limits<double>::infinity(); // loss so far

    void operator()(Epoch& epoch) {
        const double loss = epoch.validated ? epoch.validation.total : epoch.training.total;
        waited = loss < least ? 0 : waited + 1;
        least = std::min(least, loss);
        if (waited >= patience) epoch.stop = true;
    }
};

/// Multiplies the learning rate by `factor` (above 0) after every `every` epochs (1 or more).
struct StepDecay {
    double factor = 0.5;
    std::size_t every = 30;

    void operator()(Epoch& epoch) const {
        if (every > 0 && epoch.number % every == 0) epoch.learning_rate *= factor;
    }
};

/// Lets the learning rate fall from `first` to `last` along half a cosine over all epochs (Loshchilov and Hutter, 2017,
/// without restarts): after k of n epochs it is last + (first - last) (1 + cos(pi k / n)) / 2. A training that is taken
/// up again goes on where it was. Give the optimizer the learning rate `first` for the first epoch.
struct CosineDecay {
    double first = 1e-3, last = 1e-5;

    void operator()(Epoch& epoch) const {
        const double share = static_cast<double>(epoch.number) / static_cast<double>(epoch.epochs);
        epoch.learning_rate = last + (first - last) * (1 + std::cos(std::numbers::pi * share)) / 2;
    }
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
