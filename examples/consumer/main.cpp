#include <gradcon/gradcon.hpp>

#include <cstdio>

int main() {
    gradcon::Rng rng(0);
    const auto model = gradcon::models::cae({.height = 8, .width = 8, .widths = {4}});
    const auto params = model.init(rng);
    const gradcon::GradCon policy{params.decoder, {}};
    gradcon::SerialExecutor serial;
    const gradcon::Tensor<float, 4> images(std::array<std::size_t, 4>{2, 8, 8, 1}, 0.5F);
    const auto scores = gradcon::score_each(gradcon::Scorer{model, params, policy}, images, serial);
    std::printf("gradcon %d.%d.%d: score %g\n", GRADCON_VERSION_MAJOR, GRADCON_VERSION_MINOR, GRADCON_VERSION_PATCH,
                scores.score()[0]);
    return scores.score()[0] == scores.score()[1] ? 0 : 1;
}
