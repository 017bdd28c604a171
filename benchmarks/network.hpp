#pragma once

#include <gradcon/gradcon.hpp>

#include <chrono>
#include <cstddef>
#include <vector>

/// The paper's network after 20 steps of training on random 28 x 28 images: the same numbers in every program.
struct Network {
    using Model = decltype(gradcon::models::paper_cae(1));
    static constexpr std::size_t image_count = 128;

    Model model = gradcon::models::paper_cae(1);
    gradcon::Rng rng{1};
    Model::Params<float> params = model.init(rng);
    gradcon::GradCon<decltype(params.decoder)> policy;
    gradcon::Adam<Model::Params<float>> adam{params, {}};
    gradcon::Tensor<float, 4> images = gradcon::Tensor<float, 4>(std::array<std::size_t, 4>{image_count, 28, 28, 1});

    explicit Network(const gradcon::GradConOptions& options = {}) : policy(params.decoder, options) {
        for (float& pixel : images) pixel = static_cast<float>(gradcon::uniform(rng, 0, 1));
        gradcon::TrainingWorkspace<Model, float> workspace(params);
        gradcon::SerialExecutor serial;
        for (int step = 0; step < 20; ++step)
            gradcon::train_step(model, params, policy, adam, gradcon::Batch<float>(images).slice(0, 16), workspace,
                                serial);
    }
};

/// Calls work() for `seconds`, after a warm-up of a fifth of that. @return calls per second
template <class Work>
double rate(Work&& work, double seconds = 0.5) {
    using Clock = std::chrono::steady_clock;
    const auto passed = [start = Clock::now()] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    do work();
    while (passed() < seconds / 5);
    const double begin = passed();
    std::size_t calls = 0;
    do ++calls, work();
    while (passed() < begin + seconds);
    return static_cast<double>(calls) / (passed() - begin);
}
