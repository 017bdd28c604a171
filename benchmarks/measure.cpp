// measure prepare FOLDER      writes the paper's network with a reference, images and their scores, for the peers
// measure WHAT FOLDER [N]     prints one figure: score (images/s, N at once), score_threads (N threads), train
// (images/s,
//                             batches of 64), train_threads, cosine, cosine_eigen, cosine_xtensor, read (GB/s over two
//                             streams of N floats), peak (GFLOP/s)
#include <gradcon/gradcon.hpp>
#include <gradcon/io/model_file.hpp>

#include <Eigen/Core>
#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/core/xmath.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xmath.hpp>
#endif

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

namespace {

constexpr std::size_t image_count = 128;

struct Network {
    using Model = decltype(gradcon::models::paper_cae(1));

    Model model = gradcon::models::paper_cae(1);
    gradcon::Rng rng{1};
    Model::Params<float> params = model.init<float>(rng);
    gradcon::GradCon<decltype(params.decoder)> policy{params.decoder, {}};
    gradcon::Adam<Model::Params<float>> adam{params, {}};
    gradcon::Tensor<float, 4> images = gradcon::Tensor<float, 4>(std::array<std::size_t, 4>{image_count, 28, 28, 1});

    Network() {
        for (float& pixel : images) pixel = static_cast<float>(gradcon::uniform(rng, 0, 1));
        gradcon::TrainingWorkspace<Model, float> workspace(params);
        gradcon::SerialExecutor serial;
        for (int step = 0; step < 20; ++step)
            gradcon::train_step<Model, float>(model, params, policy, adam, images, workspace, serial);
    }
};

/// Calls work() for about a second, after a warm-up. @return calls per second
template <class Work>
double rate(Work&& work) {
    using Clock = std::chrono::steady_clock;
    const auto seconds = [start = Clock::now()] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    while (seconds() < 0.2) work();
    const double begin = seconds();
    std::size_t calls = 0;
    for (; seconds() < begin + 1; ++calls) work();
    return static_cast<double>(calls) / (seconds() - begin);
}

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
    const std::vector<gradcon::io::TensorToWrite> tensors{
        tensor("x", DType::f32, {image_count, 1, 28, 28}, std::span<const float>(net.images.data(), net.images.size())),
        tensor("score", DType::f64, {image_count}, std::span<const double>(scores.score)),
        tensor("cosine", DType::f64, {image_count, 4}, std::span<const double>(scores.cosine))};
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
               gradcon::score_each(scorer, images.slice(first, batch), threads, std::span(workspaces),
                                   {.score = scores});
               first = first + 2 * batch <= image_count ? first + batch : 0;
           });
}

double train(std::size_t thread_count) {
    Network net;
    gradcon::ThreadPool threads(thread_count);
    gradcon::TrainingWorkspace<Network::Model, float> workspace(net.params);
    const auto batch = gradcon::Batch<float>(net.images).slice(0, 64);
    return 64 * rate([&] {
               gradcon::train_step<Network::Model, float>(net.model, net.params, net.policy, net.adam, batch, workspace,
                                                          threads);
           });
}

/// GB/s of a kernel over two streams of n floats.
template <class Kernel>
double bandwidth(std::size_t n, Kernel&& kernel) {
    gradcon::AlignedVector<float> a(n), b(n);
    gradcon::Rng rng(2);
    for (float& value : a) value = static_cast<float>(gradcon::uniform(rng, -1, 1));
    for (float& value : b) value = static_cast<float>(gradcon::uniform(rng, -1, 1));
    volatile double sink = 0;
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

double peak() {
    using V = gradcon::simd::Vector<float>;
    V sums[16] = {}, factor = V{} + 0.999F;
    for (int i = 0; i < 16; ++i) sums[i] += static_cast<float>(i); // distinct, so that they are not computed once
    constexpr int rounds = 1 << 16;
    volatile float sink = 0;
    const double calls = rate([&] {
        for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
            for (auto& sum : sums) sum = sum * factor + factor;
        }
        V total{};
        for (const auto& sum : sums) total += sum;
        sink = total[0];
    });
    return calls * rounds * 16 * gradcon::simd::lanes<float> * 2 * 1e-9;
}

} // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 2 ? argv[1] : "";
    const std::size_t n = argc > 3 ? std::stoul(argv[3]) : 1;
    if (what == "prepare") return prepare(argv[2]), 0;
    double figure = 0;
    if (what == "score") figure = score(n, 1);
    else if (what == "score_threads") figure = score(image_count, n);
    else if (what == "train") figure = train(1);
    else if (what == "train_threads") figure = train(n);
    else if (what == "cosine") figure = bandwidth(n, ours);
    else if (what == "cosine_eigen") figure = bandwidth(n, eigen);
    else if (what == "cosine_xtensor") figure = bandwidth(n, xtensor);
    else if (what == "read") figure = bandwidth(n, read_both);
    else if (what == "peak") figure = peak();
    else return std::fputs("measure: see the head of measure.cpp\n", stderr), 1;
    std::printf("%.6g\n", figure);
}
