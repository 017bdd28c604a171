// Images trained a second, with the exact second-order term, batches of 64: the paper's network, 28 x 28 x 1.
#include "paper_network.hpp"

#include <benchmark/benchmark.h>

namespace {

void train_step(benchmark::State& state) {
    PaperNetwork net(64);
    gradcon::Adam adam{net.params, {.learning_rate = 1e-4}};
    gradcon::ThreadPool threads(static_cast<std::size_t>(state.range(0)));
    gradcon::TrainingWorkspace<PaperNetwork::Model, float> workspace(net.params);
    for (auto _ : state)
        benchmark::DoNotOptimize(gradcon::train_step<PaperNetwork::Model, float>(net.model, net.params, net.policy,
                                                                                 adam, net.images, workspace, threads));
    state.SetItemsProcessed(state.iterations() * 64);
}

} // namespace

BENCHMARK(train_step)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
