#pragma once

#include "gradcon/core/finite.hpp"
#include "gradcon/core/random.hpp"
#include "gradcon/training/objective.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// epochs and batch_size 1 or more. The best state is that of the epoch with the least validation J; without validation
/// images, the last. executor: nullptr trains on the calling thread.
template <class T>
struct FitOptions {
    std::size_t epochs = 100;
    std::size_t batch_size = 64;
    Batch<T> validation{};
    Executor* executor = nullptr;
};

/// What the callback of fit sees after each epoch, and may change: the learning rate of the next, and whether to stop.
/// A learning rate set here reaches the optimizer after the callback: a checkpoint saved within has the old one, unless
/// the callback also calls set_learning_rate of training.optimizer.
struct Epoch {
    std::size_t number = 0, epochs = 0; // number counts from 1
    Losses training, validation;        // means over the epoch; validation is all 0 without validation images
    bool validated = false;             // are there validation images?
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

/// All that decides how a training goes on: saved after an epoch (io/checkpoint.hpp) and loaded again, it ends in the
/// same bits as one that never stopped.
template <class Parameters, class GradConPolicy, class Optimizer>
struct Training {
    using Params = Parameters;
    using Policy = GradConPolicy;

    Params params;
    Policy policy;
    Optimizer optimizer;
    Rng rng{};
    std::size_t epochs = 0;           // done
    std::vector<std::size_t> order{}; // in which the last epoch took the images; empty before the first
    Params best_params = params;      // the state that is kept: see FitResult
    Policy best_policy = policy;
    std::size_t best_epoch = 0; // 0: the state before the first
    Losses best{};

    FitResult result() const { return {epochs, best_epoch, best}; }
};

template <class Params, class Policy, class Optimizer>
Training(Params, Policy, Optimizer, Rng) -> Training<Params, Policy, Optimizer>;

namespace detail {
inline void accumulate(Losses& sum, const Losses& losses, std::size_t samples, std::size_t of) {
    const double weight = static_cast<double>(samples) / static_cast<double>(of);
    sum.reconstruction += weight * losses.reconstruction;
    sum.latent += weight * losses.latent;
    sum.alignment += weight * losses.alignment;
    sum.total += weight * losses.total;
}

/// Is every number finite that a later epoch depends on? The loss alone does not tell: a ReLU makes 0 of NaN.
template <class Params, class Policy, class Optimizer>
bool all_finite(const Training<Params, Policy, Optimizer>& training) {
    bool finite = true;
    const auto look = [&](const auto& values) {
        for (const auto value : values) finite = finite && is_finite(double{value});
    };
    for_each_tensor([&](const auto& tensor) { look(elements(tensor)); }, training.params);
    for (std::size_t i = 0; i < training.policy.count(); ++i) look(training.policy.reference().exact(i));
    if constexpr (requires { training.optimizer.state(); })
        for_each_tensor([&](const auto& tensor) { look(elements(tensor)); }, training.optimizer.state());
    return finite;
}

/// One epoch of fit, up to the losses; the epochs done and the best state are left to fit.
template <class Model, class Params, class Policy, class Optimizer, class T>
Epoch run_epoch(const Model& model, Training<Params, Policy, Optimizer>& training, Batch<T> images,
                const FitOptions<T>& options, TrainingWorkspace<Model, T>& workspace, Executor& executor) {
    auto& order = training.order;
    const std::size_t samples = images.samples(), sample_size = images.sample_size();
    Epoch epoch;
    epoch.number = training.epochs + 1;
    epoch.epochs = options.epochs;
    epoch.learning_rate = training.optimizer.learning_rate();
    const auto check = [&](const char* what, bool finite) {
        if (!finite)
            throw DivergenceError(message("fit: ", what, " of epoch ", epoch.number,
                                          " is not finite with learning rate ", epoch.learning_rate,
                                          "; the last good state is that after epoch ", training.epochs,
                                          ", the best that after ", training.best_epoch));
    };
    const auto start = std::chrono::steady_clock::now();
    if (order.empty()) {
        order.resize(samples);
        std::iota(order.begin(), order.end(), std::size_t{0});
    }
    shuffle(std::span(order), training.rng);
    Tensor<T, 4> gathered, noise;
    for (std::size_t first = 0; first < samples; first += options.batch_size) {
        const std::size_t count = std::min(options.batch_size, samples - first);
        const auto batch = reserve(gathered, {count, images.shape(1), images.shape(2), images.shape(3)});
        for (std::size_t i = 0; i < count; ++i)
            std::copy_n(images.data() + order[first + i] * sample_size, sample_size, batch.data() + i * sample_size);
        const Losses losses = train_step(model, training.params, training.policy, training.optimizer,
                                         Batch<T>(batch.data(), batch.shape()), workspace, executor,
                                         model.latent.draw(training.rng, count, noise));
        check("the loss", is_finite(losses.total));
        accumulate(epoch.training, losses, count, samples);
    }
    check("a parameter, reference or moment", all_finite(training));
    epoch.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    epoch.images_per_second = static_cast<double>(samples) / epoch.seconds;

    const std::size_t held_out = options.validation.samples();
    epoch.validated = held_out > 0;
    for (std::size_t first = 0; first < held_out; first += options.batch_size) {
        const std::size_t count = std::min(options.batch_size, held_out - first);
        const Losses losses = evaluate(model, training.params, training.policy, options.validation.slice(first, count),
                                       workspace, executor);
        check("the validation loss", is_finite(losses.total));
        accumulate(epoch.validation, losses, count, held_out);
    }
    return epoch;
}
} // namespace detail

/// Trains an autoencoder with the GradCon policy (paper, section 4) until `options.epochs` epochs are done, those
/// before included: images in a new random order each epoch, the short last batch kept; after each epoch validation in
/// fixed order, batches weighted by their size; the best state (parameters and reference gradients together) is kept
/// beside the last. Same seed and images give the same bits for any number of threads. An epoch that cannot be finished
/// has not happened: `training` is then as after the epoch before.
/// @param images N x height x width x channels, N > 0, values in [0, 1]
/// @param on_epoch called as on_epoch(Epoch&) after each epoch, when `training` is complete and may be saved
/// @throws ValueError for options outside their range, or a training that began with another number of images;
///         ShapeError when the model cannot give the images back;
///         DivergenceError when a loss, a parameter, a reference or a moment is not finite
template <class Model, class Params, class Policy, class Optimizer, class OnEpoch>
FitResult fit(const Model& model, Training<Params, Policy, Optimizer>& training, Batch<scalar_t<Params>> images,
              const FitOptions<std::type_identity_t<scalar_t<Params>>>& options, OnEpoch&& on_epoch) {
    using T = scalar_t<Params>;
    const std::size_t samples = images.samples(), held_out = options.validation.samples();
    if (options.epochs == 0 || options.batch_size == 0 || samples == 0)
        throw ValueError(message("fit: epochs, batch_size and the number of images are 1 or more; given: ",
                                 options.epochs, ", ", options.batch_size, ", ", samples));
    if (!training.order.empty() && training.order.size() != samples)
        throw ValueError(message("fit: this training began with ", training.order.size(),
                                 " images and cannot go on with ", samples));
    model.check_shape(images.shape());
    if (held_out > 0) model.check_shape(options.validation.shape());
    SerialExecutor serial;
    Executor& executor = options.executor ? *options.executor : serial;
    TrainingWorkspace<Model, T> workspace(training.params);

    while (training.epochs < options.epochs) {
        const auto state = [&] {
            return std::tie(training.params, training.policy, training.optimizer, training.rng, training.order);
        };
        std::tuple before(training.params, training.policy, training.optimizer, training.rng, training.order);
        Epoch epoch;
        try {
            epoch = detail::run_epoch(model, training, images, options, workspace, executor);
        } catch (...) {
            state() = std::move(before);
            throw;
        }
        ++training.epochs;
        epoch.best = held_out == 0 || training.best_epoch == 0 || epoch.validation.total < training.best.total;
        if (epoch.best) {
            training.best_params = training.params;
            training.best_policy = training.policy;
            training.best_epoch = training.epochs;
            training.best = held_out == 0 ? epoch.training : epoch.validation;
        }
        const double learning_rate = epoch.learning_rate;
        on_epoch(epoch);
        if (!is_finite(epoch.learning_rate) || epoch.learning_rate != learning_rate)
            training.optimizer.set_learning_rate(epoch.learning_rate);
        if (epoch.stop) break;
    }
    return training.result();
}

/// The same from the start, for a training that will not be continued: in the end params and policy are the best state.
template <class Model, class Params, class Policy, class Optimizer, class OnEpoch>
FitResult fit(const Model& model, Params& params, Policy& policy, Optimizer& optimizer, Batch<scalar_t<Params>> images,
              Rng& rng, const FitOptions<std::type_identity_t<scalar_t<Params>>>& options, OnEpoch&& on_epoch) {
    Training training{params, policy, optimizer, rng};
    const auto give_back = [&] {
        params = std::move(training.best_params);
        policy = std::move(training.best_policy);
        optimizer = std::move(training.optimizer);
        rng = training.rng;
    };
    try {
        fit(model, training, images, options, on_epoch);
    } catch (...) {
        give_back();
        throw;
    }
    give_back();
    return training.result();
}

/// fit without a callback.
template <class Model, class Params, class Policy, class Optimizer>
FitResult fit(const Model& model, Params& params, Policy& policy, Optimizer& optimizer, Batch<scalar_t<Params>> images,
              Rng& rng, const FitOptions<std::type_identity_t<scalar_t<Params>>>& options) {
    return fit(model, params, policy, optimizer, images, rng, options, [](Epoch&) {});
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
