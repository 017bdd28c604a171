// Made the model files beside it, with the scores that version 0.1.0 gave them. Compiled against that version's
// headers:
//     g++ -std=c++20 -O1 -I include -I /usr/include/eigen3 make_model_files.cpp -pthread && ./a.out DIRECTORY
#include <gradcon/explainer.hpp>
#include <gradcon/gradcon.hpp>
#include <gradcon/io/detector_file.hpp>

#include <cstdio>
#include <fstream>

using namespace gradcon;

namespace {

std::vector<std::uint8_t> picture(std::size_t i) {
    std::vector<std::uint8_t> bytes(10 * 12);
    for (std::size_t k = 0; k < bytes.size(); ++k)
        bytes[k] = static_cast<std::uint8_t>((k * k + 31 * i + i * i * k) % 251);
    return bytes;
}

void record(std::ofstream& out, const std::string& name, const Detector<float>& detector) {
    auto workspace = detector.workspace();
    for (std::size_t i = 0; i < 5; ++i) {
        const auto bytes = picture(i);
        double score = 0;
        if (std::holds_alternative<ImageInput>(detector.trained().input)) {
            score = detector.score(ImageView<std::uint8_t>{.data = bytes.data(), .height = 10, .width = 12}, workspace)
                        .score;
        } else {
            std::vector<double> row(bytes.begin(), bytes.begin() + 4);
            score = detector.score(row, workspace).score;
        }
        char text[64];
        std::snprintf(text, sizeof text, "%a", score);
        out << name << ' ' << i << ' ' << text << '\n';
    }
}

TrainedModel<float> trained(const Autoencoder<Chain, Chain>& model, const Tensor<float, 4>& images) {
    Rng rng(5);
    auto params = model.init<float>(rng);
    GradCon policy{params.decoder, {.alpha = 0.05, .beta = 0.2}};
    Adam adam{params, {.learning_rate = 3e-3}};
    fit(model, params, policy, adam, images, rng, {.epochs = 2, .batch_size = 8});
    return {model, params, policy};
}

} // namespace

int main(int, char** argv) {
    const std::string folder = argv[1];
    std::ofstream out(folder + "/scores.txt");
    SerialExecutor serial;
    Rng rng(3);
    Tensor<float, 4> images(std::array<std::size_t, 4>{24, 8, 9, 1}), rows(std::array<std::size_t, 4>{24, 1, 1, 4});
    for (auto* set : {&images, &rows})
        for (float& value : *set) value = static_cast<float>(uniform(rng, 0, 1));
    const ImageInput input{.height = 8, .width = 9};
    const auto cae = models::cae({.height = 8, .width = 9, .channels = 1, .widths = {3, 4}});

    auto model = trained(cae, images); // version 1: the network alone
    io::save_model(folder + "/network-v1.safetensors", model);
    model.input = input;
    record(out, "network-v1.safetensors", Detector(model));

    model.input = {};
    model.profile = fit_profile(model.model, model.params, model.policy, images, serial); // 2: with profile and rule
    const Scorer scorer{model.model, model.params, model.policy, model.profile};
    const Scores normal = score_each(scorer, images, serial);
    model.score_policy = recommended_score(normal);
    io::save_model(folder + "/network-v2.safetensors", model);
    model.input = input; // 3: a detector
    record(out, "network-v2.safetensors", Detector(model));
    model.calibration = Calibration(scores_by(recommended_score(normal), normal), 0.1);
    model.notes = {{"made", "by version 0.1.0"}};
    io::save_model(folder + "/detector-v3.safetensors", model);
    record(out, "detector-v3.safetensors", Detector(model));
    constexpr Statistic terms[]{Statistic::code_distance, Statistic::cosine, Statistic::fisher_norm};
    model.score_policy = ConformalSum::fit(terms, normal);
    io::save_model(folder + "/conformal-v3.safetensors", model);
    record(out, "conformal-v3.safetensors", Detector(model));
    model.score_policy = LogNormDensityScore::fit(normal);
    io::save_model(folder + "/log-norm-v3.safetensors", model);
    record(out, "log-norm-v3.safetensors", Detector(model));

    const Autoencoder<Chain, Chain> vae{
        Chain{{Conv2d{1, 3, {.kernel_size = 4, .stride = 2, .padding = 2}}, ReLU{}, Flatten{}, Linear{75, 8}}},
        Chain{{Linear{4, 75}, Unflatten{5, 5, 3}, LeakyReLU{0.1},
               ConvTranspose2d{3, 1, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = {0, 1}}},
               Sigmoid{}}},
        Latent::gaussian(4)};
    auto variational = trained(vae, images);
    variational.input = input;
    variational.score_policy = LatentScore{};
    io::save_model(folder + "/vae-v3.safetensors", variational);
    record(out, "vae-v3.safetensors", Detector(variational));

    auto table = trained(models::mlp({.values = 4, .widths = {6, 2}}), rows);
    table.input = TableInput{{1, 2, 3, 4}, {10, 20, 30, 40}, {"a", "b", "c", "d"}};
    table.profile = fit_profile(table.model, table.params, table.policy, rows, serial);
    table.score_policy = CodeDistanceScore{};
    io::save_model(folder + "/table-v3.safetensors", table);
    record(out, "table-v3.safetensors", Detector(table));
}
