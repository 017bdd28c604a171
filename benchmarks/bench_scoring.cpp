// Images scored a second, one thread and two: the paper's network, 28 x 28 x 1.
#include "paper_network.hpp"

#include <benchmark/benchmark.h>

namespace {

void score_each(benchmark::State& state) {
    PaperNetwork net(256);
    const gradcon::Scorer scorer{net.model, net.params, net.policy};
    gradcon::ThreadPool threads(static_cast<std::size_t>(state.range(0)));
    std::vector workspaces(threads.workers(), scorer.workspace());
    std::vector<double> score(256);
    for (auto _ : state) gradcon::score_each(scorer, net.images, threads, std::span(workspaces), {.score = score});
    state.SetItemsProcessed(state.iterations() * 256);
}

} // namespace

BENCHMARK(score_each)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
