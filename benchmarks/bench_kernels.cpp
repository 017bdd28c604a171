// A benchmark for each kernel, so that a regression in one of them shows: the alignment's sweep beside its definition
// (bytes/s), the three maps of each layer of the paper's network (useful FLOP/s), sigmoid, packing, Adam.
#include "network.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace gradcon;
using namespace gradcon::kernels;

std::vector<float> values(std::size_t count) {
    Rng rng(1);
    std::vector<float> result(count);
    for (float& value : result) value = static_cast<float>(uniform(rng, -1, 1));
    return result;
}

template <class Kernel>
void sweep(benchmark::State& state, Kernel&& kernel) {
    const auto n = static_cast<std::size_t>(state.range(0));
    const auto a = values(n), b = values(n);
    for (auto _ : state) benchmark::DoNotOptimize(kernel(std::span<const float>(a), std::span<const float>(b)));
    state.SetBytesProcessed(state.iterations() * state.range(0) * 8);
}
void alignment(benchmark::State& state) {
    sweep(state, [](auto a, auto b) { return dot_and_norm(a, b).dot; });
}
void alignment_naive(benchmark::State& state) {
    sweep(state, [](auto a, auto b) { return dot_and_norm_naive(a, b).dot; });
}
BENCHMARK(alignment)->Arg(512)->Arg(1 << 14)->Arg(1 << 18)->Arg(1 << 22);
BENCHMARK(alignment_naive)->Arg(1 << 14);

struct Layer {
    const char* name;
    Index large, a, small, b, padding;
};
constexpr Layer layers[]{{"conv1", 28, 1, 15, 32, 2}, {"conv2", 15, 32, 8, 32, 2}, {"conv3", 8, 32, 5, 64, 2},
                         {"conv4", 5, 64, 3, 64, 2},  {"T1", 4, 64, 3, 64, 2},     {"T2", 8, 32, 4, 64, 1},
                         {"T3", 14, 32, 8, 32, 2},    {"T4", 28, 1, 14, 32, 1}};

/// One image through the three maps of a layer.
struct Maps {
    Window window;
    std::vector<float> weight, large_values, small_values;
    TensorView<float, 4> large, small;
    Packed<float> packed;
    Scratch<float> scratch;
    double products = 0;

    explicit Maps(const Layer& layer)
        : window{4, 2, layer.padding}, weight(values(static_cast<std::size_t>(16 * layer.a * layer.b))) {
        const auto view = [](std::vector<float>& storage, Index size, Index channels) {
            const auto n = static_cast<std::size_t>(size), c = static_cast<std::size_t>(channels);
            storage = values(n * n * c);
            return TensorView<float, 4>(storage.data(), {1, n, n, c});
        };
        large = view(large_values, layer.large, layer.a);
        small = view(small_values, layer.small, layer.b);
        pack(window, layer.a, layer.b, weight.data(), packed);
        for_each_tap(window, extent(large), extent(small),
                     [&](Index, Index, Index) { products += static_cast<double>(layer.a * layer.b); });
    }
    static Batch<float> read(TensorView<float, 4> view) { return {view.data(), view.shape()}; }
};

template <class Work>
void measure(benchmark::State& state, Work&& work) {
    const Layer& layer = layers[state.range(0)];
    Maps maps(layer);
    for (auto _ : state) {
        work(maps);
        benchmark::ClobberMemory();
    }
    state.SetLabel(layer.name);
    state.counters["FLOP/s"] = benchmark::Counter(2 * maps.products, benchmark::Counter::kIsIterationInvariantRate,
                                                  benchmark::Counter::kIs1000);
}
void gather_image(benchmark::State& state) {
    measure(state, [](Maps& m) {
        const Product<float> product{m.packed, Maps::read(m.large)};
        gather<float>(m.window, {&product, 1}, {.slope = 0}, m.small, m.scratch.values);
    });
}
void scatter_image(benchmark::State& state) {
    measure(state, [](Maps& m) {
        const Product<float> product{m.packed, Maps::read(m.small)};
        scatter<float>(m.window, {&product, 1}, {.slope = 0}, m.large, m.scratch.values);
    });
}
template <class Reduction>
void weight_gradient(benchmark::State& state) {
    std::vector<float> room(1 << 16);
    measure(state, [&](Maps& m) {
        const ImagePair<float> pair{Maps::read(m.large), Maps::read(m.small)};
        Reduction reduction{room.data()};
        outer_product<float>(m.window, {&pair, 1}, reduction, m.scratch);
    });
}
BENCHMARK(gather_image)->DenseRange(0, 7);
BENCHMARK(scatter_image)->DenseRange(0, 7);
BENCHMARK(weight_gradient<AddTo<float>>)->DenseRange(0, 7);
BENCHMARK(weight_gradient<DotWithReference<float>>)->DenseRange(0, 7);

void sigmoid(benchmark::State& state) {
    const auto x = values(784);
    const Sigmoid layer;
    Sigmoid::Cache<float> cache;
    for (auto _ : state)
        benchmark::DoNotOptimize(layer.forward({}, Batch<float>(x.data(), {1, 28, 28, 1}), cache).data());
    state.SetItemsProcessed(state.iterations() * 784);
}
void pack_model(benchmark::State& state) {
    const Network net;
    Network::Model::Packed<float> packed;
    for (auto _ : state) net.model.pack(net.params, packed);
}
void adam_step(benchmark::State& state) {
    Network net;
    const auto gradient = net.params;
    for (auto _ : state) net.adam.step(net.params, gradient);
}
BENCHMARK(sigmoid);
BENCHMARK(pack_model)->Unit(benchmark::kMicrosecond);
BENCHMARK(adam_step)->Unit(benchmark::kMicrosecond);

} // namespace

BENCHMARK_MAIN();
