// The C++ side of interop_test.py:
//     interop_score write paper|cae|mlp|vae MODEL                 a random detector's file
//     interop_score score MODEL IMAGES HEIGHT WIDTH CHANNELS      scores of raw float32 images, as JSON
#include "random_detector.hpp"

#include <gradcon/io/detector_file.hpp>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

using namespace gradcon;

namespace {

using Model = Autoencoder<Chain, Chain>;

Chain as_chain(const auto& sequential) {
    return std::apply([](const auto&... layer) { return Chain{{layer...}}; }, sequential.layers());
}

/// A network of the name's kind; they have all layers, and images that are not square.
std::pair<Model, Shape> network(const std::string& kind) {
    if (kind == "paper") {
        const auto paper = models::paper_cae(1);
        return {Model{as_chain(paper.encoder), as_chain(paper.decoder)}, {1, 28, 28, 1}};
    }
    if (kind == "cae") return {models::cae({.height = 9, .width = 12, .channels = 2, .widths = {4, 5}}), {1, 9, 12, 2}};
    if (kind == "mlp")
        return {Model{Chain{{Flatten{}, Linear{12, 5}, LeakyReLU{0.3}}},
                      Chain{{Linear{5, 12}, Tanh{}, Unflatten{2, 3, 2}, Sigmoid{}}}},
                {1, 2, 3, 2}};
    if (kind == "vae") {
        const Conv2d down{1, 3, {.kernel_size = 4, .stride = 2, .padding = 2}};
        const ConvTranspose2d up{3, 1, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = {1, 0}}};
        return {Model{Chain{{down, ReLU{}, Flatten{}, Linear{36, 8}}},
                      Chain{{Linear{4, 36}, Unflatten{3, 4, 3}, ReLU{}, up, Sigmoid{}}}, Latent::gaussian(4)},
                {1, 5, 6, 1}};
    }
    throw std::runtime_error("no such kind: " + kind);
}

void write(const std::string& kind, const std::filesystem::path& path) {
    const auto [model, shape] = network(kind);
    const auto detector = random_detector<float>(model, shape);
    io::save_model(path, detector.model, detector.params, detector.policy);
}

nlohmann::json score(const std::filesystem::path& path, const std::filesystem::path& raw, const Shape& shape) {
    const auto loaded = io::load_trained<float>(path);
    const auto bytes = io::read_file(raw);
    std::vector<float> pixels(bytes.size() / sizeof(float));
    std::memcpy(pixels.data(), bytes.data(), pixels.size() * sizeof(float));
    const Batch<float> images(pixels.data(),
                              {pixels.size() / (shape[1] * shape[2] * shape[3]), shape[1], shape[2], shape[3]});
    SerialExecutor serial;
    const Scores scores = score_each(Scorer{loaded.model, loaded.params, loaded.policy}, images, serial);
    nlohmann::json cosines = nlohmann::json::array();
    for (std::size_t n = 0; n < scores.samples(); ++n)
        cosines.push_back(std::vector(scores[n].cosine().begin(), scores[n].cosine().end()));
    return {{"reconstruction_error", scores.reconstruction_error()}, {"cosine", cosines}, {"score", scores.score()}};
}

} // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    try {
        if (arguments.size() == 3 && arguments[0] == "write") write(arguments[1], arguments[2]);
        else if (arguments.size() == 6 && arguments[0] == "score")
            std::printf("%s\n", score(arguments[1], arguments[2],
                                      {1, std::stoul(arguments[3]), std::stoul(arguments[4]), std::stoul(arguments[5])})
                                    .dump(1)
                                    .c_str());
        else throw std::runtime_error("see the top of interop_score.cpp");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "interop_score: %s\n", error.what());
        return 1;
    }
    return 0;
}
