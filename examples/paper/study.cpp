// All that instantiates the library's networks: compiled once.
#include "study.hpp"
#include "scoring.hpp"
#include "training.hpp"

#include <algorithm>
#include <chrono>

namespace {

Trained finished(Study& study, const Experiment& e, const Data& data) {
    try {
        return train(e, data, study.folder(e), study.options.epochs, study.threads, study.progress);
    } catch (const std::exception& error) { throw std::runtime_error(study.folder(e).string() + ": " + error.what()); }
}

/// The least time of five.
template <class F>
double seconds(F&& f) {
    using Clock = std::chrono::steady_clock;
    auto least = Clock::duration::max();
    for (int repetition = 0; repetition < 5; ++repetition) {
        const auto start = Clock::now();
        f();
        least = std::min(least, Clock::now() - start);
    }
    return std::chrono::duration<double>(least).count();
}

} // namespace

Scored Study::scored(const Experiment& e) {
    const Data data = sets.data(e);
    const auto all = scores(
        e, "scores",
        {{"validation", [&] { return data.validation; }, std::vector<std::uint8_t>(data.validation.shape()[0], 0)},
         {"test", [&] { return data.test; }, data.anomalous}});
    return {all[0], all[1], data.anomalous, e.variational};
}

std::vector<gradcon::Scores> Study::scores(const Experiment& e, const std::string& name,
                                           const std::vector<Part>& parts) {
    const Data data = sets.data(e);
    const Trained trained = finished(*this, e, data);
    return kept_scores(
        folder(e) / (name + ".safetensors"), folder(e) / "model.safetensors", parts,
        [&] {
            progress.say((folder(e) / name).string());
            return profiled_scorer(trained, data.train, threads);
        },
        threads);
}

Images Study::reconstruct(const Experiment& e, const Images& images) {
    return ::reconstruct(finished(*this, e, sets.data(e)), images);
}

Cost Study::measure(bool variational, std::size_t channels) {
    gradcon::Rng rng(0);
    const Model model = make_model(variational, channels);
    const auto params = model.init(rng);
    const gradcon::Scorer scorer{model, params, gradcon::GradCon{params.decoder, {.alpha = 0.03, .beta = 0.12}}};
    const auto random_images = [&](std::size_t count) {
        Images images;
        images.resize({count, 28, 28, channels});
        for (float& value : images) value = static_cast<float>(gradcon::uniform(rng, 0, 1));
        return images;
    };
    constexpr std::size_t each = 64; // images for a thread
    const std::size_t all = each * threads.workers();
    const Images few = random_images(each), many = random_images(all);
    gradcon::SerialExecutor alone;
    return {gradcon::parameter_count(params), seconds([&] { score_each(scorer, few, alone); }) / double{each},
            static_cast<double>(all) / seconds([&] { score_each(scorer, many, threads); })};
}
