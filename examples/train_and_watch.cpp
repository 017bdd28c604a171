// From normal pictures to a detector in one file, and back: trains, calibrates, saves, loads and scores.
#include <gradcon/gradcon.hpp>
#include <gradcon/io/detector_file.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <vector>

namespace {

constexpr std::size_t height = 20, width = 24;
using Picture = std::vector<std::uint8_t>; // gray, height x width

/// Woven cloth, each time a little different; a flaw is a thread that is missing.
Picture cloth(gradcon::Rng& rng, bool flaw) {
    Picture picture(height * width);
    const double shift = gradcon::uniform(rng, 0, 6), light = gradcon::uniform(rng, 0.8, 1);
    const auto missing = static_cast<std::size_t>(gradcon::uniform(rng, 4, 16));
    for (std::size_t y = 0; y < height; ++y)
        for (std::size_t x = 0; x < width; ++x) {
            const double weave =
                0.5 + 0.4 * std::sin(static_cast<double>(x) + shift) * std::cos(static_cast<double>(y));
            const double value = flaw && (y == missing || y == missing + 1) ? 0.2 : weave;
            picture[y * width + x] = static_cast<std::uint8_t>(255 * light * value);
        }
    return picture;
}

/// A view of one of them; nothing is copied.
gradcon::ImageView<std::uint8_t> view(const Picture& picture) {
    return {.data = picture.data(), .height = height, .width = width};
}

/// `count` pictures as a network takes them.
gradcon::Tensor<float, 4> batch(std::size_t count, const gradcon::ImageInput& input, gradcon::Rng& rng) {
    gradcon::Tensor<float, 4> images;
    images.resize({count, input.height, input.width, input.channels()});
    gradcon::ImageInputWorkspace<float> workspace;
    for (std::size_t i = 0; i < count; ++i)
        gradcon::convert(view(cloth(rng, false)), input, workspace, images.data() + i * input.height * input.width);
    return images;
}

void run(const std::filesystem::path& file) {
    gradcon::Rng rng(1);
    const gradcon::ImageInput input{.height = height, .width = width, .order = gradcon::PixelOrder::gray};
    const auto normal = batch(300, input, rng), held_out = batch(100, input, rng), calibrating = batch(400, input, rng);

    // Train.
    const auto model = gradcon::models::cae({.height = height, .width = width, .channels = 1, .widths = {8, 16}});
    auto params = model.init(rng);
    gradcon::GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}};
    gradcon::Adam adam{params, {.learning_rate = 3e-3}};
    gradcon::ThreadPool threads;
    gradcon::fit(model, params, policy, adam, normal, rng,
                 {.epochs = 15, .validation = held_out, .executor = &threads});

    // Choose a score and, on normal pictures that nothing has seen yet, its threshold.
    gradcon::TrainedModel<float> trained{model, params, policy};
    trained.input = input;
    trained.profile = gradcon::fit_profile(model, params, policy, normal, threads);
    const gradcon::Scorer scorer{model, params, policy, trained.profile};
    trained.score_rule = gradcon::recommended_score(gradcon::score_each(scorer, held_out, threads));
    trained.calibration = gradcon::Calibration(
        gradcon::scores_by(trained.score_rule, gradcon::score_each(scorer, calibrating, threads)), 0.01);
    gradcon::io::save(trained, file);

    // In the running system.
    // snippet: detector
    const auto detector = gradcon::io::load(file); // const: any number of threads may share it
    auto workspace = detector.workspace();                  // one for each of them
    const auto picture = cloth(rng, true);
    const gradcon::Verdict verdict = detector.score(view(picture), workspace);
    std::printf("score %.2f, p-value %.4f: %s\n", verdict.score, verdict.p_value,
                verdict.anomalous ? "anomalous" : "normal");
    // end of snippet

    int false_alarms = 0, found = 0;
    for (int i = 0; i < 1000; ++i) {
        false_alarms += detector.score(view(cloth(rng, false)), workspace).anomalous ? 1 : 0;
        found += detector.score(view(cloth(rng, true)), workspace).anomalous ? 1 : 0;
    }
    std::printf("of 1000 normal pictures %d were alarms, of 1000 with a flaw %d\n", false_alarms, found);
}

} // namespace

int main(int argc, char** argv) {
    try {
        run(argc > 1 ? argv[1] : "cloth.safetensors");
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "train_and_watch: %s\n", error.what());
        return 1;
    }
}
