// One trained detector, many threads: the scorer is const, and each thread brings a workspace and memory for results.
#include <gradcon/gradcon.hpp>

#include <cstdio>
#include <thread>
#include <vector>

int main() {
    gradcon::Rng rng(1);
    gradcon::Tensor<float, 4> images(std::array<std::size_t, 4>{96, 20, 30, 3}); // N x height x width x channels
    for (float& pixel : images) pixel = static_cast<float>(gradcon::uniform(rng, 0.4, 0.6));
    const auto model = gradcon::models::cae({.height = 20, .width = 30, .channels = 3, .widths = {8, 16}});
    auto params = model.init(rng);
    gradcon::GradCon policy{params.decoder, {}};
    gradcon::Adam adam{params, {}};
    gradcon::fit(model, params, policy, adam, images, rng, {.epochs = 2, .batch_size = 32});

    // snippet: many threads
    const gradcon::Scorer scorer{model, params, policy};
    const gradcon::Batch<float> frames(images); // a view: of a camera's buffer, say
    std::vector<double> scores(frames.samples());
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            auto workspace = scorer.workspace(); // the first image fills it; from then on nothing is allocated
            for (std::size_t i = t; i < frames.samples(); i += 4) scores[i] = scorer.score(frames, i, workspace);
        });
    for (auto& thread : threads) thread.join();
    // end of snippet

    gradcon::ThreadPool pool(4); // or let the library share the work out: the same bits
    const bool same = gradcon::score_each(scorer, images, pool).score() == scores;
    std::printf("%zu frames, first score %.5f; score_each gives %s\n", scores.size(), scores[0],
                same ? "the same bits" : "other bits");
    return same ? 0 : 1;
}
