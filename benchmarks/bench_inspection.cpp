// The head of inspection, all after the features, on a map of 32 x 32 locations of 152 features (152-190-47-190-152):
// the map at once, each location alone, and what else finds strange locations on the same features.
#include <gradcon/core/executor.hpp>
#include <gradcon/nn/models.hpp>
#include <gradcon/scoring/location_scorer.hpp>
#include <gradcon/scoring/profile.hpp>
#include <gradcon/scoring/scorer.hpp>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <array>
#include <span>
#include <vector>

namespace {

constexpr std::size_t count = 32 * 32, features = 152, wide = 190, narrow = 47;

struct Local {
    using Model = gradcon::Autoencoder<gradcon::Chain, gradcon::Chain>;
    Model model = gradcon::models::mlp({.values = features, .widths = {wide, narrow}});
    gradcon::Rng rng{1};
    Model::Params<float> params = model.init(rng);
    gradcon::GradCon<gradcon::Chain::Params<float>> policy{params.decoder, {}};
    gradcon::Tensor<float, 4> locations;
    gradcon::GradientProfile<float> profile;

    Local() {
        locations.resize({count, 1, 1, features});
        for (float& v : locations) v = static_cast<float>(gradcon::standard_normal(rng));
        policy.update(params.decoder); // any numbers do as a gradient
        gradcon::SerialExecutor serial;
        profile = gradcon::fit_profile(model, params, policy, gradcon::Batch<float>(locations), serial);
    }
    gradcon::Scorer<Model, float> scorer() const { return {model, params, policy, profile}; }
    std::span<const float> map() const { return {locations.data(), locations.size()}; }
};

/// Multiply-adds of a location: the network, the decoder's backward pass to its second layer, and for each product with
/// a reference the two weights of the decoder.
constexpr double multiply_adds(double products) {
    constexpr double weights = double(features * wide + wide * narrow);
    return double(count) * (2 * weights + (products > 0 ? double(features * wide) : 0) + products * weights);
}

void head(benchmark::State& state, std::span<const gradcon::Statistic> wanted, double products) {
    const Local local;
    const gradcon::LocationScorer<float> scorer(local.scorer().model(), wanted);
    auto workspace = scorer.workspace();
    gradcon::Scores scores;
    for (auto _ : state) scorer.score(local.map(), workspace, scores);
    state.counters["GFLOP/s"] =
        benchmark::Counter(2e-9 * multiply_adds(products), benchmark::Counter::kIsIterationInvariantRate);
}

void head_error(benchmark::State& state) {
    constexpr std::array wanted{gradcon::Statistic::reconstruction_error};
    head(state, wanted, 0);
}
void head_alignment(benchmark::State& state) {
    constexpr std::array wanted{gradcon::Statistic::reconstruction_error, gradcon::Statistic::cosine};
    head(state, wanted, 1);
}
void head_all(benchmark::State& state) { head(state, gradcon::every_statistic, 3); }

void each_location_alone(benchmark::State& state) {
    const Local local;
    const auto scorer = local.scorer();
    gradcon::SerialExecutor serial;
    std::vector<gradcon::Scorer<Local::Model, float>::Workspace> workspaces(1, scorer.workspace());
    gradcon::Scores scores;
    for (auto _ : state) gradcon::score_each(scorer, local.locations, serial, std::span(workspaces), scores);
}

/// Each gradient formed and compared, as one would without the formula.
void forming_gradients(benchmark::State& state) {
    const Local local;
    Local::Model::Packed<float> packed;
    local.model.pack(local.params, packed);
    gradcon::encoder_cache_t<Local::Model, float> encoder;
    gradcon::decoder_cache_t<Local::Model, float> decoder;
    auto gradient = gradcon::zeros_like(local.params);
    gradcon::Tensor<float, 4> dy;
    double sum = 0;
    for (auto _ : state)
        for (std::size_t i = 0; i < count; ++i) {
            const auto x = gradcon::Batch<float>(local.locations).slice(i, 1);
            const auto y = local.model.decoder.forward(
                packed.decoder, local.model.encoder.forward(packed.encoder, x, encoder), decoder);
            gradcon::fill(gradient.decoder, 0);
            local.model.decoder.backward(packed.decoder, decoder, local.model.loss.gradient(y, x, features, dy),
                                         gradient.decoder);
            for (const auto& alignment : local.policy.alignments(gradient.decoder)) sum += alignment.cosine;
        }
    benchmark::DoNotOptimize(sum);
}

/// The distances to N remembered locations by one matrix product of Eigen.
void nearest_neighbour(benchmark::State& state) {
    using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Local local;
    const Matrix memory = Matrix::Random(state.range(0), features);
    const Eigen::VectorXf half = memory.rowwise().squaredNorm() / 2;
    const Eigen::Map<const Matrix> map(local.locations.data(), count, features);
    Matrix products(count, state.range(0));
    Eigen::VectorXf nearest;
    for (auto _ : state) {
        products.noalias() = map * memory.transpose();
        nearest = (products.rowwise() - half.transpose()).rowwise().maxCoeff();
        benchmark::DoNotOptimize(nearest.data());
    }
}

} // namespace

BENCHMARK(head_error)->Unit(benchmark::kMillisecond);
BENCHMARK(head_alignment)->Unit(benchmark::kMillisecond);
BENCHMARK(head_all)->Unit(benchmark::kMillisecond);
BENCHMARK(each_location_alone)->Unit(benchmark::kMillisecond);
BENCHMARK(forming_gradients)->Unit(benchmark::kMillisecond);
BENCHMARK(nearest_neighbour)->ArgName("locations")->Arg(600)->Arg(6000)->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
