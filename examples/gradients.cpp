// The gradient of a loss as tensors: by name, for one image, and how it aligns with a reference.
#include <gradcon/gradcon.hpp>

#include <cstdio>

int main() {
    gradcon::Rng rng(0);
    gradcon::Tensor<float, 4> images(std::array<std::size_t, 4>{64, 28, 28, 1}); // N x height x width x channels
    for (float& value : images) value = static_cast<float>(gradcon::uniform(rng, 0, 1));

    // snippet: gradients
    const auto model = gradcon::models::paper_cae(1);           // a value: layers and their sizes
    auto params = model.init(rng);                              // a tree of tensors
    const auto g = gradcon::gradient(model, params, images);    // dL/dtheta: a tree of the same form
    const auto weight = gradcon::tensor(g, "decoder.0.weight"); // a view: its name, shape and values
    std::printf("%s has %zu values, the first %g\n", weight.name.c_str(), weight.size(), double(weight[0]));

    gradcon::GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}}; // the paper's constraint
    gradcon::Adam adam{params, {.learning_rate = 1e-3}};
    gradcon::fit(model, params, policy, adam, images, rng, {.epochs = 2});
    const auto one = gradcon::Batch<float>(images).slice(0, 1);
    for (const auto& alignment : policy.alignments(gradcon::gradient(model, params, one).decoder))
        std::printf("cosine with the reference gradient: %+.3f\n", alignment.cosine);
    // end of snippet
}
