// Images trained a second, with the exact second-order term, batches of 64: the paper's network, 28 x 28 x 1.
#include "network.hpp"

#include <benchmark/benchmark.h>

namespace {

void train_step(benchmark::State& state) {
    Network net;
    const auto batch = gradcon::Batch<float>(net.images).slice(0, 64);
    gradcon::ThreadPool threads(static_cast<std::size_t>(state.range(0)));
    gradcon::TrainingWorkspace<Network::Model, float> workspace(net.params);
    for (auto _ : state)
        benchmark::DoNotOptimize(gradcon::train_step<Network::Model, float>(net.model, net.params, net.policy, net.adam,
                                                                            batch, workspace, threads));
    state.SetItemsProcessed(state.iterations() * 64);
}

} // namespace

BENCHMARK(train_step)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
