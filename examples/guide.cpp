// The snippets of docs/guide.md, in one program that runs.
#include <gradcon/detector.hpp>
#include <gradcon/gradcon.hpp>
#include <gradcon/io/checkpoint.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

using Views = std::vector<gradcon::ImageView<std::uint8_t>>;

/// Views of gray pictures of 16 x 16 random pixels between two values.
struct Pictures {
    std::vector<std::uint8_t> bytes;
    Views views;

    Pictures(std::size_t count, double low, double high, std::uint64_t seed) : bytes(count * 256) {
        gradcon::Rng rng(seed);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(gradcon::uniform(rng, low, high));
        for (std::size_t i = 0; i < count; ++i)
            views.push_back({.data = bytes.data() + i * 256, .height = 16, .width = 16});
    }
};

void many_threads(const gradcon::Detector<float>& detector, const Views& pictures) {
    // snippet: threads
    std::vector<gradcon::Verdict> verdicts(pictures.size());
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            auto workspace = detector.workspace(); // one for each thread; after the first picture nothing is allocated
            for (std::size_t i = t; i < pictures.size(); i += 4)
                verdicts[i].score = detector.score(pictures[i], workspace).score;
        });
    for (auto& thread : threads) thread.join();
    // end of snippet
}

void tables(const std::vector<double>& values) {
    // snippet: table
    const auto of_rows = gradcon::learn(gradcon::Table{.values = values, .width = 3}, {.epochs = 5});
    const std::vector<double> row{0.5, 90.0, 0.5};
    std::printf("the row: p-value %.3f\n", of_rows.score(row).p_value);

    // A time series: 8 rows that follow one another make a sample, and the next sample begins 2 rows later.
    const auto of_windows =
        gradcon::learn(gradcon::Table{.values = values, .width = 3, .window = 8, .stride = 2}, {.epochs = 5});
    // end of snippet
    std::printf("windows of %zu numbers\n", of_windows.shape()[3]);
}

void rates(const gradcon::Detector<float>& detector, const Views& new_normal) {
    // snippet: rates
    std::vector<double> scores; // of normal pictures that the detector has not learned from
    for (const auto& picture : new_normal) scores.push_back(detector.score(picture).score);
    const auto recalibrated = detector.with(gradcon::Calibration(scores, 0.05));

    gradcon::DriftMonitor monitor(recalibrated.calibration(), {.window = 20, .false_alarm_rate = 0.01});
    for (const double score : scores)
        if (monitor.add(score)) std::printf("the last 20 scores are not those of the calibration\n");
    // end of snippet
}

void schedules(const Views& normal) {
    // snippet: schedules
    const gradcon::LearnOptions options{.widths = {4, 4}, .epochs = 10, .learning_rate = 1e-3};
    gradcon::PictureCollection pictures(gradcon::ImageInput{.height = 16, .width = 16});
    for (const auto& picture : normal) pictures.add(picture);
    gradcon::Learning learning(pictures.split(options.seed), options);
    learning.fit(gradcon::all(gradcon::CosineDecay{.first = 1e-3, .last = 1e-5}, gradcon::EarlyStopping{.patience = 5},
                              gradcon::io::SaveCheckpoint("training", learning.model(), learning.training())));

    // After a crash: the same pictures, the same options, and on from the last epoch that was saved.
    gradcon::Learning resumed(pictures.split(options.seed), options);
    gradcon::io::load_checkpoint("training", resumed.model(), resumed.training());
    if (!resumed.belongs()) throw gradcon::ValueError("the checkpoint is of other pictures");
    resumed.fit();
    const auto detector = resumed.finish();
    // end of snippet
    std::printf("resumed: threshold %.3f\n", detector.calibration().threshold());
    std::remove("training");
}

void own_rule(const gradcon::Tensor<float, 4>& images) {
    gradcon::Rng rng(1);
    const auto model = gradcon::models::cae({.height = 16, .width = 16, .channels = 1, .widths = {4, 4}});
    const auto params = model.init(rng);
    gradcon::GradCon policy{params.decoder, {}};
    policy.update(params.decoder);
    gradcon::SerialExecutor executor;
    // snippet: own rule
    const gradcon::Scorer scorer{model, params, policy};
    const gradcon::Scores scores = gradcon::score_each(scorer, images, executor);
    const auto worst_tensor = [](const gradcon::Statistics& s) { return -std::ranges::min(s.cosine()); };
    const std::vector<double> own = gradcon::scores_by(worst_tensor, scores);
    // end of snippet
    std::printf("own score of the first image: %.3f\n", own[0]);
}

void explain(const gradcon::Detector<float>& detector, const Views& pictures) {
    // snippet: explain
    const gradcon::Explainer explainer{detector};
    auto workspace = explainer.workspace();
    gradcon::Explanation<float> why;
    explainer.explain(pictures[0], workspace, why);
    const auto strangest = std::ranges::max_element(why.residual) - why.residual.begin(); // row * width + column
    std::printf("the reconstruction is worst at row %td, column %td\n", strangest / 16, strangest % 16);
    // end of snippet
}

} // namespace

int main() {
    const Pictures normal(60, 80, 120, 1), strange(4, 0, 255, 2), fresh(40, 80, 120, 3);
    const auto detector = gradcon::learn(normal.views, {.widths = {4, 4}, .epochs = 5});
    many_threads(detector, normal.views);
    std::vector<double> values(300);
    gradcon::Rng rng(4);
    for (double& value : values) value = gradcon::uniform(rng, 0, 1);
    tables(values);
    rates(detector, fresh.views);
    schedules(normal.views);
    gradcon::Tensor<float, 4> images(std::array<std::size_t, 4>{8, 16, 16, 1});
    for (float& value : images) value = static_cast<float>(gradcon::uniform(rng, 0, 1));
    own_rule(images);
    explain(detector, strange.views);
}
