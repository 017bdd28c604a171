// measure prepare FOLDER      writes the paper's network with a reference, images, their scores, and the loss and
// gradient
//                             of a batch in training, for the peers
// measure WHAT [N]            prints one figure:
//   score (images/s, N at once), score_threads (N threads), latency (us, one image of bytes),
//   train (images/s, batches of 64), train_first_order, train_threads (N threads),
//   cosine, cosine_eigen, cosine_xtensor, read (GB/s over two streams of N floats), peak (GFLOP/s of multiply-add),
//   size, channels, depth (us an image of N x N pixels, of 32 x 32 with N channels, through N layers of 32 x 32 x 32),
//   memory (MB resident at most after N images)
// measure layers              prints, a line each, what the layers of scoring cost, and what a training step adds to
// its
//                             passes: name, us, GFLOP/s of useful work (of convolutions)
#include "network.hpp"

#include <gradcon/io/model_file.hpp>

#include <Eigen/Core>
#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/core/xmath.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xmath.hpp>
#endif

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

namespace {

void prepare(const std::filesystem::path& folder) {
    Network net;
    gradcon::io::save_model(folder / "model.safetensors", net.model, net.params, net.policy);
    gradcon::SerialExecutor serial;
    const auto scores = gradcon::score_each(gradcon::Scorer{net.model, net.params, net.policy}, net.images, serial);
    const auto tensor = [](const char* name, gradcon::io::DType dtype, std::vector<std::size_t> shape, auto values) {
        const auto bytes = std::as_bytes(values);
        return gradcon::io::TensorToWrite{name, dtype, std::move(shape), {bytes.begin(), bytes.end()}};
    };
    using gradcon::io::DType;
    std::vector<gradcon::io::TensorToWrite> tensors{
        tensor("x", DType::f32, {Network::image_count, 1, 28, 28},
               std::span<const float>(net.images.data(), net.images.size())),
        tensor("score", DType::f64, {Network::image_count}, std::span<const double>(scores.score())),
        tensor("cosine", DType::f64, {Network::image_count, 4},
               std::span<const double>(scores[gradcon::Statistic::cosine]))};
    gradcon::TrainingWorkspace<Network::Model, float> workspace(net.params);
    const double loss =
        gradcon::objective<Network::Model, float>(net.model, net.params, net.policy,
                                                  gradcon::Batch<float>(net.images).slice(0, 64), workspace, serial)
            .total;
    tensors.push_back(tensor("loss", DType::f64, {1}, std::span(&loss, 1)));
    gradcon::io::append_parameters(workspace.gradient, "gradient.", tensors);
    gradcon::io::replace_file(folder / "images.safetensors", gradcon::io::serialize_safetensors(tensors, {}));
}

double score(std::size_t batch, std::size_t thread_count) {
    Network net;
    const gradcon::Scorer scorer{net.model, net.params, net.policy};
    gradcon::ThreadPool threads(thread_count);
    std::vector workspaces(threads.workers(), scorer.workspace());
    std::vector<double> scores(batch);
    const gradcon::Batch<float> images(net.images);
    std::size_t first = 0;
    return static_cast<double>(batch) * rate([&] {
               gradcon::score_each(scorer, images.slice(first, batch), threads, std::span(workspaces), scores);
               first = first + 2 * batch <= Network::image_count ? first + batch : 0;
           });
}

double latency() {
    Network net;
    const gradcon::Scorer scorer{net.model, net.params, net.policy};
    auto workspace = scorer.workspace();
    const std::vector<std::uint8_t> pixels(28 * 28, 100);
    const gradcon::Batch<std::uint8_t> image(pixels.data(), {1, 28, 28, 1});
    return 1e6 / rate([&] { scorer.score(image, workspace); });
}

double train(std::size_t thread_count, const gradcon::GradConOptions& options = {}) {
    Network net(options);
    gradcon::ThreadPool threads(thread_count);
    gradcon::TrainingWorkspace<Network::Model, float> workspace(net.params);
    const auto batch = gradcon::Batch<float>(net.images).slice(0, 64);
    return 64 * rate([&] {
               gradcon::train_step<Network::Model, float>(net.model, net.params, net.policy, net.adam, batch, workspace,
                                                          threads);
           });
}

/// Scores `samples` random images, one after the other, through a network for their size. @return us an image
double cost(const gradcon::models::CaeOptions& options, double seconds) {
    const auto model = gradcon::models::cae(options);
    gradcon::Rng rng(1);
    const auto params = model.init(rng);
    gradcon::GradCon policy{params.decoder, {}};
    policy.update(params.decoder);
    const gradcon::Scorer scorer{model, params, policy};
    auto workspace = scorer.workspace();
    gradcon::Tensor<float, 4> image(std::array{std::size_t{1}, options.height, options.width, options.channels});
    for (float& pixel : image) pixel = static_cast<float>(gradcon::uniform(rng, 0, 1));
    return 1e6 / rate([&] { scorer.score(image, workspace); }, seconds);
}

double memory(std::size_t images) {
    Network net;
    const gradcon::Scorer scorer{net.model, net.params, net.policy};
    auto workspace = scorer.workspace();
    for (std::size_t i = 0; i < images; ++i) scorer.score(net.images, i % Network::image_count, workspace);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

void layers() {
    using namespace gradcon::kernels;
    struct Layer {
        const char* name;
        Index large, a, small, b, padding;
    };
    constexpr Layer encoder[]{{"conv1", 28, 1, 15, 32, 2},
                              {"conv2", 15, 32, 8, 32, 2},
                              {"conv3", 8, 32, 5, 64, 2},
                              {"conv4", 5, 64, 3, 64, 2}};
    constexpr Layer decoder[]{
        {"T1", 4, 64, 3, 64, 2}, {"T2", 8, 32, 4, 64, 1}, {"T3", 14, 32, 8, 32, 2}, {"T4", 28, 1, 14, 32, 1}};
    gradcon::Rng rng(1);
    const auto images = [&](Index size, Index channels) {
        const auto n = static_cast<std::size_t>(size), c = static_cast<std::size_t>(channels);
        gradcon::Tensor<float, 4> batch(std::array{std::size_t{1}, n, n, c});
        for (float& value : batch) value = static_cast<float>(gradcon::uniform(rng, -1, 1));
        return batch;
    };
    const auto measure = [&](const Layer& layer, bool decodes, bool wants_dx) {
        auto large = images(layer.large, layer.a), small = images(layer.small, layer.b);
        const auto large_in = large, small_in = small;
        std::vector<float> weight(static_cast<std::size_t>(16 * layer.a * layer.b), 0.01F);
        const Window window{4, 2, layer.padding};
        Packed<float> packed;
        pack(window, layer.a, layer.b, weight.data(), packed);
        Scratch<float> scratch;
        double products = 0;
        for_each_tap(window, {layer.large, layer.large, layer.a}, {layer.small, layer.small, layer.b},
                     [&](Index, Index, Index) { products += static_cast<double>(layer.a * layer.b); });
        const auto report = [&](const char* pass, auto&& work) {
            const double seconds = 1 / rate(work, 0.2);
            std::printf("%s %s,%.2f,%.1f\n", layer.name, pass, seconds * 1e6, 2e-9 * products / seconds);
        };
        const Product<float> from_large{packed, large_in}, from_small{packed, small_in};
        const auto gathering = [&] { gather<float>(window, {&from_large, 1}, {}, small, scratch.values); };
        if (!decodes) return report("forward", gathering);
        report("forward", [&] { scatter<float>(window, {&from_small, 1}, {}, large, scratch.values); });
        const ImagePair<float> pair{large_in, small_in};
        report("weight gradient, reduced", [&] {
            DotWithReference<float> reduction(weight.data());
            outer_product<float>(window, {&pair, 1}, reduction, scratch);
        });
        if (wants_dx) report("input gradient", gathering);
    };
    for (const Layer& layer : encoder) measure(layer, false, false);
    for (const Layer& layer : decoder) measure(layer, true, &layer != decoder);

    const auto report = [](const char* name, auto&& work) { std::printf("%s,%.2f,\n", name, 1e6 / rate(work, 0.2)); };
    Network net;
    const auto image = gradcon::Batch<float>(net.images).slice(0, 1);
    gradcon::Tensor<float, 4> y = net.images;
    gradcon::Tensor<float, 4> dy;
    [[maybe_unused]] volatile double sink = 0;
    report("sigmoid", [&] { sigmoid(image.data(), y.data(), image.size()); });
    report("loss", [&] { sink = gradcon::MeanSquaredError::sum<float>(gradcon::Batch<float>(y).slice(0, 1), image); });
    report("loss gradient", [&] {
        gradcon::MeanSquaredError::gradient<float>(gradcon::Batch<float>(y).slice(0, 1), image, image.size(), dy);
    });
    Network::Model::Packed<float> packed;
    const auto gradient = net.params;
    report("training step: packing", [&] { net.model.pack(net.params, packed); });
    report("training step: reference", [&] { net.policy.update(gradient.decoder); });
    report("training step: Adam", [&] { net.adam.step(net.params, gradient); });
}

/// GB/s of a kernel over two streams of n floats.
template <class Kernel>
double bandwidth(std::size_t n, Kernel&& kernel) {
    gradcon::AlignedVector<float> a(n), b(n);
    gradcon::Rng rng(2);
    for (float& value : a) value = static_cast<float>(gradcon::uniform(rng, -1, 1));
    for (float& value : b) value = static_cast<float>(gradcon::uniform(rng, -1, 1));
    [[maybe_unused]] volatile double sink = 0;
    return 8e-9 * static_cast<double>(n) *
           rate([&] { sink = kernel(std::span<const float>(a), std::span<const float>(b)); });
}

double ours(std::span<const float> a, std::span<const float> b) {
    const auto sum = gradcon::kernels::dot_and_norm(a, b);
    return sum.dot + sum.squared_norm;
}
double eigen(std::span<const float> a, std::span<const float> b) {
    const auto map = [](std::span<const float> v) {
        return Eigen::Map<const Eigen::VectorXf>(v.data(), static_cast<Eigen::Index>(v.size()));
    };
    return double{map(a).dot(map(b))} + double{map(b).squaredNorm()};
}
double xtensor(std::span<const float> a, std::span<const float> b) {
    const auto x = xt::adapt(a.data(), a.size(), xt::no_ownership(), std::array{a.size()});
    const auto y = xt::adapt(b.data(), b.size(), xt::no_ownership(), std::array{b.size()});
    return double{xt::sum(x * y)()} + double{xt::sum(y * y)()};
}
/// As little work as reads every byte: the limit of the others.
double read_both(std::span<const float> a, std::span<const float> b) {
    using V = gradcon::simd::Vector<float>;
    constexpr std::size_t width = gradcon::simd::lanes<float>;
    V sums[8] = {};
    std::size_t i = 0;
    for (; i + 4 * width <= a.size(); i += 4 * width) {
#pragma GCC unroll 4
        for (std::size_t u = 0; u < 4; ++u) {
            sums[u] += gradcon::simd::load<V>(a.data() + i + u * width);
            sums[4 + u] += gradcon::simd::load<V>(b.data() + i + u * width);
        }
    }
    V sum = sums[0];
    for (int u = 1; u < 8; ++u) sum += sums[u];
    return double{sum[0]};
}

/// Independent chains of multiply-adds, as many as leave registers for the factors.
double peak() {
    using V = gradcon::simd::Vector<float>;
    constexpr int chains = 12, rounds = 1 << 16;
    V sums[chains] = {}, factor = V{} + 0.999F;
    for (int i = 0; i < chains; ++i) sums[i] += static_cast<float>(i); // distinct, so that they are not computed once
    volatile float sink = 0;
    const double calls = rate([&] {
        V local[chains];
        std::copy(sums, sums + chains, local);
        for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
            for (int i = 0; i < chains; ++i) local[i] = local[i] * factor + factor;
        }
        V total{};
        for (const V& sum : local) total += sum;
        sink = total[0];
    });
    return calls * rounds * chains * gradcon::simd::lanes<float> * 2 * 1e-9;
}

} // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "prepare" && argc > 2) return prepare(argv[2]), 0;
    if (what == "layers") return layers(), 0;
    const std::size_t n = argc > 2 ? std::stoul(argv[2]) : 1;
    double figure = 0;
    if (what == "score") figure = score(n, 1);
    else if (what == "score_threads") figure = score(Network::image_count, n);
    else if (what == "latency") figure = latency();
    else if (what == "train") figure = train(1);
    else if (what == "train_first_order") figure = train(1, {.alpha = 0});
    else if (what == "train_threads") figure = train(n);
    else if (what == "cosine") figure = bandwidth(n, ours);
    else if (what == "cosine_eigen") figure = bandwidth(n, eigen);
    else if (what == "cosine_xtensor") figure = bandwidth(n, xtensor);
    else if (what == "read") figure = bandwidth(n, read_both);
    else if (what == "peak") figure = peak();
    else if (what == "size") figure = cost({.height = n, .width = n}, 0.5);
    else if (what == "channels") figure = cost({.height = 32, .width = 32, .channels = n}, 0.5);
    else if (what == "depth")
        figure = cost({.height = 32, .width = 32, .widths = std::vector<std::size_t>(n, 32)}, 0.5);
    else if (what == "memory") figure = memory(n);
    else return std::fputs("measure: see the head of measure.cpp\n", stderr), 1;
    std::printf("%.6g\n", figure);
}
