#pragma once

#include "gradcon/objective.hpp"
#include "gradcon/random.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// epochs and batch_size 1 or more. With validation images, the state of the epoch with the least validation J is what
/// remains in the end; without, the last. executor: nullptr trains on the calling thread.
template <class T>
struct FitOptions {
    std::size_t epochs = 100;
    std::size_t batch_size = 64;
    Batch<T> validation{};
    Executor* executor = nullptr;
};

/// What the callback of fit sees after each epoch, and may change: the learning rate of the next, and whether to stop.
struct Epoch {
    std::size_t number = 0, epochs = 0; // number counts from 1
    Losses training, validation;        // means over the epoch; validation is all 0 without validation images
    bool best = false;                  // the least validation loss so far
    double seconds = 0;                 // of training, validation not counted
    double images_per_second = 0;
    double learning_rate = 0;
    bool stop = false;
};

/// How training went: the epochs done, and the one whose state was kept.
struct FitResult {
    std::size_t epochs = 0, best_epoch = 0;
    Losses best; // its validation losses, or its training losses without validation images
};

namespace detail {
inline void accumulate(Losses& sum, const Losses& losses, std::size_t samples, std::size_t of) {
    const double weight = static_cast<double>(samples) / static_cast<double>(of);
    sum.reconstruction += weight * losses.reconstruction;
    sum.alignment += weight * losses.alignment;
    sum.total += weight * losses.total;
}
} // namespace detail

/// Trains an autoencoder with the GradCon policy (paper, section 4): images in a new random order each epoch, the short
/// last batch kept; after each epoch validation in fixed order, batches weighted by their size; the best state
/// (parameters and reference gradients together) is kept. Same seed and images give the same bits for any number of
/// threads.
/// @param images N x height x width x channels, N > 0, values in [0, 1]
/// @param on_epoch called as on_epoch(Epoch&) after each epoch
/// @throws ValueError for options outside their range, ShapeError when the model cannot give the images back,
///         DivergenceError when a loss is not finite: params and policy then hold the best state so far, or that before
///         the epoch
template <class Model, class Params, class Policy, class Optimizer, class OnEpoch>
FitResult fit(const Model& model, Params& params, Policy& policy, Optimizer& optimizer, Batch<scalar_t<Params>> images,
              Rng& rng, const FitOptions<std::type_identity_t<scalar_t<Params>>>& options, OnEpoch&& on_epoch) {
    using T = scalar_t<Params>;
    if (options.epochs == 0 || options.batch_size == 0 || images.samples() == 0)
        throw ValueError(message("fit: epochs, batch_size and the number of images are 1 or more; given: ",
                                 options.epochs, ", ", options.batch_size, ", ", images.samples()));
    SerialExecutor serial;
    Executor& executor = options.executor ? *options.executor : serial;
    TrainingWorkspace<Model, T> workspace(params);
    const std::size_t samples = images.samples(), sample_size = images.sample_size();
    std::vector<std::size_t> order(samples);
    std::iota(order.begin(), order.end(), std::size_t{0});
    Tensor<T, 4> gathered;
    struct State {
        Params params;
        Policy policy;
    };
    State good{params, policy};
    FitResult result;
    const auto diverged = [&](std::size_t epoch, double loss) {
        params = good.params;
        policy = good.policy;
        throw DivergenceError(message("fit: the loss of epoch ", epoch, " is not finite (", loss,
                                      ") with learning rate ", optimizer.learning_rate(),
                                      "; parameters and reference are back at the end of epoch ", result.best_epoch));
    };

    for (std::size_t number = 1; number <= options.epochs; ++number) {
        Epoch epoch;
        epoch.number = number;
        epoch.epochs = options.epochs;
        epoch.learning_rate = optimizer.learning_rate();
        const auto start = std::chrono::steady_clock::now();
        shuffle(std::span(order), rng);
        for (std::size_t first = 0; first < samples; first += options.batch_size) {
            const std::size_t count = std::min(options.batch_size, samples - first);
            const auto batch = reserve(gathered, {count, images.shape(1), images.shape(2), images.shape(3)});
            for (std::size_t i = 0; i < count; ++i)
                std::copy_n(images.data() + order[first + i] * sample_size, sample_size,
                            batch.data() + i * sample_size);
            const Losses losses = train_step<Model, T>(model, params, policy, optimizer,
                                                       Batch<T>(batch.data(), batch.shape()), workspace, executor);
            if (!is_finite(losses.total)) diverged(number, losses.total);
            detail::accumulate(epoch.training, losses, count, samples);
        }
        epoch.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        epoch.images_per_second = static_cast<double>(samples) / epoch.seconds;

        const std::size_t held_out = options.validation.samples();
        for (std::size_t first = 0; first < held_out; first += options.batch_size) {
            const std::size_t count = std::min(options.batch_size, held_out - first);
            const Losses losses =
                evaluate<Model, T>(model, params, policy, options.validation.slice(first, count), workspace, executor);
            if (!is_finite(losses.total)) diverged(number, losses.total);
            detail::accumulate(epoch.validation, losses, count, held_out);
        }
        epoch.best = held_out == 0 || number == 1 || epoch.validation.total < result.best.total;
        if (epoch.best) {
            good.params = params;
            good.policy = policy;
            result.best_epoch = number;
            result.best = held_out == 0 ? epoch.training : epoch.validation;
        }
        result.epochs = number;
        on_epoch(epoch);
        optimizer.set_learning_rate(epoch.learning_rate);
        if (epoch.stop) break;
    }
    params = std::move(good.params);
    policy = std::move(good.policy);
    return result;
}

/// fit without a callback.
template <class Model, class Params, class Policy, class Optimizer>
FitResult fit(const Model& model, Params& params, Policy& policy, Optimizer& optimizer, Batch<scalar_t<Params>> images,
              Rng& rng, const FitOptions<std::type_identity_t<scalar_t<Params>>>& options) {
    return fit(model, params, policy, optimizer, images, rng, options, [](Epoch&) {});
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
