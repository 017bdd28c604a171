// All that instantiates the library's networks: compiled once.
#include "study.hpp"
#include "scoring.hpp"
#include "training.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

namespace {

Detector finished(Study& study, const Experiment& e, const Data& data) {
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
    return score(finished(*this, e, data), data, folder(e), threads);
}

std::function<gradcon::Scores(const Images&)> Study::scorer(const Experiment& e) {
    const Data data = sets.data(e);
    // shared: a std::function is copied, and a scorer is large
    const auto scorer = std::make_shared<const gradcon::Scorer<Model, float>>(
        profiled_scorer(finished(*this, e, data), data.train, threads));
    return [this, scorer](const Images& images) { return score_each(*scorer, images, threads); };
}

Images Study::reconstruct(const Experiment& e, const Images& images) {
    return ::reconstruct(finished(*this, e, sets.data(e)), images);
}

Cost Study::measure(bool variational, std::size_t channels) {
    gradcon::Rng rng(0);
    const Model model = make_model(variational, channels);
    const auto params = model.init<float>(rng);
    const gradcon::Scorer scorer{model, params, gradcon::GradCon{params.decoder, {.alpha = 0.03, .beta = 0.12}}};
    Images images;
    images.resize({256, 28, 28, channels});
    for (float& value : images) value = static_cast<float>(gradcon::uniform(rng, 0, 1));
    gradcon::SerialExecutor alone;
    const double count = 256;
    return {gradcon::parameter_count(params), seconds([&] { score_each(scorer, images, alone); }) / count,
            count / seconds([&] { score_each(scorer, images, threads); })};
}
