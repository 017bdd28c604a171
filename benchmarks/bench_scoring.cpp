// Images scored a second, one thread and two: the paper's network, 28 x 28 x 1.
#include "network.hpp"

#include <benchmark/benchmark.h>

namespace {

void score_each(benchmark::State& state) {
    Network net;
    const gradcon::Scorer scorer{net.model, net.params, net.policy};
    gradcon::ThreadPool threads(static_cast<std::size_t>(state.range(0)));
    std::vector workspaces(threads.workers(), scorer.workspace());
    std::vector<double> score(Network::image_count);
    for (auto _ : state) gradcon::score_each(scorer, net.images, threads, std::span(workspaces), score);
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(Network::image_count));
}

} // namespace

BENCHMARK(score_each)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
