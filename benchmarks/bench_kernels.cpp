// The hot kernel of gradient alignment: <a, b> and |b|^2 in one sweep, beside its peers; bytes/s against read
// bandwidth.
#include <gradcon/gradcon.hpp>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

namespace {

std::vector<float> values(std::size_t count) {
    gradcon::Rng rng(1);
    std::vector<float> result(count);
    for (float& value : result) value = static_cast<float>(gradcon::uniform(rng, -1, 1));
    return result;
}

template <class Kernel>
void measure(benchmark::State& state, Kernel&& kernel) {
    const auto n = static_cast<std::size_t>(state.range(0));
    const auto a = values(n), b = values(n);
    for (auto _ : state) benchmark::DoNotOptimize(kernel(a, b));
    state.SetBytesProcessed(state.iterations() * state.range(0) * 8);
}

void ours(benchmark::State& state) {
    measure(state, [](const auto& a, const auto& b) {
        return gradcon::kernels::dot_and_norm(std::span<const float>(a), std::span<const float>(b)).dot;
    });
}
void naive(benchmark::State& state) {
    measure(state, [](const auto& a, const auto& b) {
        return gradcon::kernels::dot_and_norm_naive(std::span<const float>(a), std::span<const float>(b)).dot;
    });
}
void eigen(benchmark::State& state) {
    measure(state, [](const auto& a, const auto& b) {
        const Eigen::Map<const Eigen::VectorXf> x(a.data(), static_cast<Eigen::Index>(a.size())),
            y(b.data(), static_cast<Eigen::Index>(b.size()));
        return x.dot(y) + y.squaredNorm();
    });
}

} // namespace

BENCHMARK(ours)->Arg(1 << 10)->Arg(1 << 14)->Arg(1 << 18)->Arg(1 << 22);
BENCHMARK(eigen)->Arg(1 << 10)->Arg(1 << 14)->Arg(1 << 18)->Arg(1 << 22);
BENCHMARK(naive)->Arg(1 << 14);
BENCHMARK_MAIN();
