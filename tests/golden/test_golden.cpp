// Training and scoring against PyTorch: tests/golden/*.safetensors and, where it is there, every file of the folder
// that GRADCON_GOLDEN_DIR names (default: ../shared/golden beside the project).
#include "random_tensors.hpp"

#include <gradcon/io/parameters.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace gradcon;

namespace {

/// The largest error of each kind: relative, but for cosines and scores.
struct Worst {
    double loss = 0, gradient = 0, parameters = 0, reference = 0, cosine = 0, score = 0;
};

/// N x C x H x W, as PyTorch has it, to N x H x W x C.
template <class T>
Tensor<T, 4> from_nchw(const std::vector<T>& values, std::size_t n, std::size_t c, std::size_t h, std::size_t w) {
    Tensor<T, 4> images;
    images.resize({n, h, w, c});
    for (std::size_t s = 0; s < n; ++s)
        for (std::size_t k = 0; k < c; ++k)
            for (std::size_t p = 0; p < h * w; ++p)
                images.data()[(s * h * w + p) * c + k] = values[(s * c + k) * h * w + p];
    return images;
}

double relative(double found, double expected) {
    return std::abs(found - expected) / std::max(std::abs(expected), 1e-300);
}

/// The parameters of a CAE or VAE of the authors'. Where theirs has two heads (fc11, fc12) and fc2, ours has one Linear
/// layer that gives both, and the same.
template <class Params>
void read(const io::Safetensors& file, const std::string& prefix, Params& params) {
    if (!file.find(prefix + "fc11.weight")) return io::read_parameters(file, prefix, params);
    using T = scalar_t<Params>;
    const auto vector_or_matrix = [](std::size_t rank) {
        return rank == 2 ? std::vector<std::size_t>{576, 576} : std::vector<std::size_t>{576};
    };
    for_each_named_tensor(
        [&](const std::string& name, auto& tensor) {
            const std::string leaf = name.substr(name.rfind('.'));
            if (name.starts_with("encoder.9.")) {
                const auto shape = vector_or_matrix(rank(tensor));
                for (const std::size_t head : {0U, 1U}) {
                    auto part = tensor;
                    part.resize(shape);
                    const auto values = io::from_pytorch<T>(file, prefix + (head == 0 ? "fc11" : "fc12") + leaf, part);
                    for (std::size_t row = 0; row * 576 < values.size(); ++row)
                        std::copy_n(values.data() + row * 576, 576, tensor.data() + (2 * row + head) * 576);
                }
                return;
            }
            std::string theirs = io::pytorch_name(name);
            if (name.starts_with("decoder.0.")) theirs = "fc2" + leaf;
            else if (name.starts_with("decoder.")) // layers 2, 4, ... there are 0, 2, ... here
                theirs = "up." + std::to_string(std::stoul(name.substr(8)) - 2) + leaf;
            std::ranges::copy(io::from_pytorch<T>(file, prefix + theirs, tensor), tensor.data());
        },
        params);
}

using Model = Autoencoder<Chain, Chain>;

/// A model of Sequentials as one of Chains, which compute the same bits: one type to compile for all files.
template <class Sequentials>
Model as_chains(const Sequentials& model) {
    const auto chain = [](const auto& sequential) {
        return std::apply([](const auto&... layer) { return Chain{{layer...}}; }, sequential.layers());
    };
    return {chain(model.encoder), chain(model.decoder), model.latent};
}

template <class T>
Worst replay(const io::Safetensors& file, const Model& model) {
    Worst worst;
    const auto x_shape = file.at("x").shape;
    const std::size_t batches = x_shape[0], c = x_shape[2], h = x_shape[3], w = x_shape[4];
    const auto x = from_nchw(file.values<T>("x"), batches * x_shape[1], c, h, w);
    const auto recon_loss = file.values<double>("recon_loss"), grad_loss = file.values<double>("grad_loss"),
               total_loss = file.values<double>("total_loss");
    std::vector<double> sizes(recon_loss.size(), static_cast<double>(x_shape[1]));
    if (file.find("batch_sizes")) sizes = file.values<double>("batch_sizes");

    Rng rng(1);
    auto params = model.template init<T>(rng);
    const std::size_t codes = model.latent.size();
    std::vector<T> eps; // of a VAE, for all batches
    std::vector<double> latent_loss(recon_loss.size());
    if (codes > 0) {
        eps = file.values<T>("eps");
        latent_loss = file.values<double>("latent_loss");
    }
    read(file, "init.", params);
    GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}};
    Adam adam{params, {.learning_rate = 1e-3}};
    TrainingWorkspace<Model, T> workspace(params);
    SerialExecutor serial;
    for (std::size_t step = 0; step < recon_loss.size(); ++step) {
        const std::size_t first = step % batches * x_shape[1], size = static_cast<std::size_t>(sizes[step]);
        const Batch<T> noise = codes > 0 ? Batch<T>(eps.data() + first * codes, {size, 1, 1, codes}) : Batch<T>{};
        const Losses losses =
            train_step(model, params, policy, adam, Batch<T>(x).slice(first, size), workspace, serial, noise);
        worst.loss = std::max(
            {worst.loss, relative(losses.reconstruction, recon_loss[step]), relative(losses.total, total_loss[step])});
        if (codes > 0) worst.loss = std::max(worst.loss, relative(losses.latent, latent_loss[step]));
        if (step > 0) worst.loss = std::max(worst.loss, relative(losses.alignment, grad_loss[step]));
        else CHECK(losses.alignment == 0);
        const std::string prefix = "step" + std::to_string(step) + ".grad.";
        if (!file.find(prefix + "down.0.weight")) continue;
        auto expected = params;
        read(file, prefix, expected);
        for_each_named_tensor(
            [&](const std::string& name, const auto& ours, const auto& theirs) {
                const double error = relative_error(elements(ours), elements(theirs));
                INFO("step ", step, " ", name);
                CHECK(error < 1e-5);
                worst.gradient = std::max(worst.gradient, error);
            },
            workspace.gradient, expected);
    }
    auto expected = params;
    read(file, "final.", expected);
    for_each_tensor(
        [&](const auto& ours, const auto& theirs) {
            worst.parameters = std::max(worst.parameters, relative_error(elements(ours), elements(theirs)));
        },
        params, expected);
    std::size_t i = 0, index = 0;
    for_each_tensor(
        [&](const auto& tensor) {
            if (i == policy.count() || policy.monitored()[i] != index++) return;
            const auto reference = io::from_pytorch<double>(file, "ref." + std::to_string(i), tensor);
            worst.reference = std::max(worst.reference, relative_error(policy.reference().exact(i), reference));
            ++i;
        },
        params.decoder);

    // Scoring starts from the file's final state, so that its errors are its own.
    std::vector<std::vector<double>> means;
    index = 0;
    for_each_tensor(
        [&](const auto& tensor) {
            if (means.size() == policy.count() || policy.monitored()[means.size()] != index++) return;
            means.push_back(io::from_pytorch<double>(file, "ref." + std::to_string(means.size()), tensor));
        },
        params.decoder);
    policy.reference().restore(means, recon_loss.size());
    const Scorer scorer{model, expected, policy};
    const auto test_shape = file.at("test.x").shape;
    const auto test = from_nchw(file.values<T>("test.x"), test_shape[0], c, h, w);
    const auto mse = file.values<double>("test.mse"), cosines = file.values<double>("test.cos"),
               score = file.values<double>("test.score");
    const Scores scores = score_each(scorer, Batch<T>(test), serial);
    for (std::size_t n = 0; n < score.size(); ++n) {
        worst.score = std::max(
            {worst.score, std::abs(scores.score()[n] + score[n]), std::abs(scores.reconstruction_error()[n] - mse[n])});
        for (std::size_t k = 0; k < 4; ++k)
            worst.cosine = std::max(worst.cosine, std::abs(scores[n].cosine()[k] - cosines[n * 4 + k]));
    }
    return worst;
}

/// Prints the worst errors and checks them against what each may be.
void check(const io::Safetensors& file, const char* type, const Worst& w, const Worst& limit) {
    std::printf("golden %s %s: worst errors: loss %.1e  gradient %.1e  final parameters %.1e  reference %.1e  cosine "
                "%.1e  score %.1e\n",
                std::filesystem::path(file.path()).filename().c_str(), type, w.loss, w.gradient, w.parameters,
                w.reference, w.cosine, w.score);
    CHECK(w.loss < limit.loss);
    CHECK(w.gradient < limit.gradient);
    CHECK(w.parameters < limit.parameters);
    CHECK(w.reference < limit.reference);
    CHECK(w.cosine < limit.cosine);
    CHECK(w.score < limit.score);
}

constexpr Worst float_limit{
    .loss = 1e-6, .gradient = 1e-5, .parameters = 2e-6, .reference = 1e-5, .cosine = 1e-5, .score = 1e-6};

void compare(const std::filesystem::path& path) {
    const auto file = io::read_safetensors(path);
    INFO(path.string());
    if (!file.find("init.down.0.weight")) {
        std::printf("golden %s: skipped, it has no encoder\n", path.filename().c_str());
        return;
    }
    if (file.find("init.fc11.weight"))
        return check(file, "float",
                     replay<float>(file, as_chains(models::paper_vae(file.at("init.down.0.weight").shape[1]))),
                     float_limit);
    const auto width = [&](const char* layer) {
        return file.at(std::string("init.down.") + layer + ".weight").shape[0];
    };
    const std::size_t c = file.at("init.down.0.weight").shape[1], w0 = width("0"), w1 = width("2"), w2 = width("4"),
                      w3 = width("6");
    if (w0 == 32 && w1 == 32 && w2 == 64 && w3 == 64)
        return check(file, "float", replay<float>(file, as_chains(models::paper_cae(c))), float_limit);
    const auto down = [](std::size_t in, std::size_t out) {
        return Conv2d{in, out, {.kernel_size = 4, .stride = 2, .padding = 2}};
    };
    const auto up = [](std::size_t in, std::size_t out, std::size_t padding) {
        return ConvTranspose2d{in, out, {.kernel_size = 4, .stride = 2, .padding = padding}};
    };
    const Model model{
        Chain{{down(c, w0), ReLU{}, down(w0, w1), ReLU{}, down(w1, w2), ReLU{}, down(w2, w3), ReLU{}}},
        Chain{{up(w3, w2, 2), ReLU{}, up(w2, w1, 1), ReLU{}, up(w1, w0, 2), ReLU{}, up(w0, c, 1), Sigmoid{}}}};
    check(file, "float", replay<float>(file, model), float_limit);
    if (!file.find("batch_sizes")) return;
    // The own file comes from a run in double: what remains is the rounding of its tensors to float32, 6e-8.
    check(file, "double", replay<double>(file, model),
          {.loss = 1e-13, .gradient = 1e-7, .parameters = 1e-7, .reference = 1e-7, .cosine = 1e-7, .score = 1e-8});
}

} // namespace

TEST_SUITE("golden") {
    TEST_CASE("training steps and scores equal PyTorch's: own narrow autoencoder") {
        compare(GRADCON_TESTS_DIR "/golden/cae-narrow.safetensors");
    }

    TEST_CASE("training steps and scores equal PyTorch's: every file of GRADCON_GOLDEN_DIR") {
        const char* named = std::getenv("GRADCON_GOLDEN_DIR");
        const std::filesystem::path folder = named ? named : GRADCON_TESTS_DIR "/../../shared/golden";
        if (!std::filesystem::is_directory(folder)) {
            std::printf("golden: no folder %s\n", folder.c_str());
            REQUIRE(named == nullptr);
            return;
        }
        std::vector<std::filesystem::path> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
        std::ranges::sort(files);
        for (const auto& file : files) compare(file);
    }
}
