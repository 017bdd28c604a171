// The main job: train on normal images of one class, find the images of all others (the paper's Fashion-MNIST
// protocol).
#include "contact_sheet.hpp"
#include "options.hpp"
#include "progress_bar.hpp"

#include "../paper/protocol.hpp"
#include <gradcon/data/idx.hpp>
#include <gradcon/gradcon.hpp>
#include <gradcon/io/detector_file.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

namespace {

using Images = gradcon::Tensor<float, 4>; // N x height x width x channels, values in [0, 1]

constexpr double false_alarm_rate = 0.05; // needs 19 held-out images

struct Results {
    gradcon::FitResult training;
    gradcon::Scores scores;
    std::vector<double> recommended; // beyond the paper's
    double threshold = 0;            // of recommended
    double score_images_per_second = 0;
};

/// The paper's network where the size allows it.
gradcon::TrainedModel<float>::Model make_model(std::size_t height, std::size_t width, std::size_t channels) {
    if (height % 16 == 12 && width % 16 == 12) return gradcon::to_chain(gradcon::models::paper_cae(channels));
    return gradcon::models::cae({.height = height, .width = width, .channels = channels});
}

Results run(const Options& options, const Images& normal, const Images& held_out, const Images& unseen,
            ProgressBar& progress) {
    const std::size_t height = normal.shape()[1], width = normal.shape()[2], channels = normal.shape()[3];
    const auto model = make_model(height, width, channels);
    // snippet: train and score
    gradcon::Rng rng(options.seed);
    gradcon::ThreadPool threads(options.threads);
    auto params = model.init(rng);
    gradcon::GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}};
    gradcon::Adam adam{params, {.learning_rate = 1e-3}};
    const auto training =
        gradcon::fit(model, params, policy, adam, normal, rng,
                     {.epochs = options.epochs, .validation = held_out, .executor = &threads}, progress);

    const gradcon::Scorer scorer{model, params, policy};              // const from here on
    const auto scores = gradcon::score_each(scorer, unseen, threads); // higher = more anomalous
    // end of snippet
    const auto start = std::chrono::steady_clock::now(); // once more, for the clock
    gradcon::score_each(scorer, unseen, threads);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

    // snippet: trained to detector
    gradcon::TrainedModel<float> trained{model, params, policy};
    trained.input = gradcon::ImageInput{.height = height,
                                        .width = width,
                                        .order = channels == 1 ? gradcon::PixelOrder::gray : gradcon::PixelOrder::rgb};
    trained.profile = gradcon::fit_profile(model, params, policy, normal, threads); // of the finished model
    const gradcon::Scorer profiled{model, params, policy, trained.profile};
    const auto of_held_out = gradcon::score_each(profiled, held_out, threads); // fits the rule, and calibrates
    trained.score_rule = gradcon::recommended_score(of_held_out);
    trained.calibration = gradcon::Calibration(gradcon::scores_by(trained.score_rule, of_held_out), false_alarm_rate);
    gradcon::io::save(trained, options.model);
    const auto recommended = gradcon::scores_by(trained.score_rule, gradcon::score_each(profiled, unseen, threads));
    // end of snippet
    return {training, scores, recommended, trained.calibration.threshold(),
            static_cast<double>(unseen.shape()[0]) / seconds.count()};
}

/// The share of a class of the unseen images that the detector calls anomalous, in percent.
double alarms(const Results& results, const std::vector<std::uint8_t>& anomalous, bool of_anomalies) {
    double images = 0, found = 0;
    for (std::size_t i = 0; i < anomalous.size(); ++i) {
        if ((anomalous[i] != 0) != of_anomalies) continue;
        ++images;
        found += results.recommended[i] >= results.threshold ? 1 : 0;
    }
    return 100 * found / images;
}

void quickstart(const Options& options) {
    const auto set = gradcon::data::read_idx_folder(options.data);
    gradcon::Rng rng(options.seed);
    const auto split = paper::fashion_mnist_split(set.labels, options.inlier, 0.5, rng);
    const auto normal = gradcon::data::select<float>(set, split.train);
    const auto held_out = gradcon::data::select<float>(set, split.validation);
    const auto unseen = gradcon::data::select<float>(set, split.test);
    std::printf("%zu images of class %d to train on, %zu held out; %zu to score, half of them of other classes\n",
                split.train.size(), int{options.inlier}, split.validation.size(), split.test.size());

    ProgressBar progress;
    const Results results = run(options, normal, held_out, unseen, progress);
    const double trained = static_cast<double>(split.train.size() * results.training.epochs) / progress.seconds();
    const double of_reconstruction = gradcon::auroc(results.scores.reconstruction_error(), split.anomalous);
    const double of_gradient =
        gradcon::auroc(gradcon::scores_by(gradcon::GradientScore{}, results.scores), split.anomalous);
    const double of_gradcon = gradcon::auroc(results.scores.score(), split.anomalous);
    const double of_recommended = gradcon::auroc(results.recommended, split.anomalous);

    const std::string sheet = std::filesystem::path(options.model).replace_extension(".png").string();
    write_contact_sheet(sheet, unseen.data(), unseen.shape()[1], unseen.shape()[2], results.scores.score(),
                        split.anomalous);
    std::printf("AUROC  reconstruction %.4f  gradient %.4f  GradCon %.4f  recommended %.4f\n", of_reconstruction,
                of_gradient, of_gradcon, of_recommended);
    std::printf(
        "alarms at a false-alarm rate of %.0f %%: %.1f %% of the unseen images of class %d, %.1f %% of the others\n",
        100 * false_alarm_rate, alarms(results, split.anomalous, false), int{options.inlier},
        alarms(results, split.anomalous, true));
    std::printf("%zu epochs (kept: %zu), trained %.0f images/s, scored %.0f images/s\n", results.training.epochs,
                results.training.best_epoch, trained, results.score_images_per_second);
    std::printf("detector: %s   most anomalous images: %s\n", options.model.c_str(), sheet.c_str());
    if (!options.json.empty()) {
        const nlohmann::json json{{"auroc",
                                   {{"reconstruction", of_reconstruction},
                                    {"gradient", of_gradient},
                                    {"gradcon", of_gradcon},
                                    {"recommended", of_recommended}}},
                                  {"train", {{"images_per_second", trained}}},
                                  {"score", {{"images_per_second", results.score_images_per_second}}},
                                  {"epochs", results.training.epochs},
                                  {"seed", options.seed}};
        std::ofstream file(options.json);
        if (!(file << json.dump(2) << '\n' << std::flush))
            throw std::runtime_error(options.json + ": cannot be written");
    }
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc == 2 && std::string_view(argv[1]) == "--help") return std::fputs(usage, stdout) < 0;
        quickstart(parse_options(argc, argv));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "quickstart: %s\n", error.what());
        return 1;
    }
}
