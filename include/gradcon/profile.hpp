#pragma once

#include "gradcon/executor.hpp"
#include "gradcon/kernels/whitening.hpp"
#include "gradcon/nn/loss.hpp"
#include "gradcon/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace gradcon::inline GRADCON_INSTRUCTION_SET {

/// What a finished model makes of the images it was trained on: of each monitored tensor the mean gradient of one
/// image's error and how much each element varies (the diagonal of the Fisher information), and the distribution of the
/// codes. Scores that go beyond the paper's compare an image with it (score_policies.hpp).
template <class T>
struct GradientProfile {
    std::vector<AlignedVector<T>> mean;   // of each monitored tensor's gradient g; unlike the running mean of training,
                                          // which remembers gradients of models long gone
    std::vector<AlignedVector<T>> weight; // 1 / (mean g^2 + a tenth of that, averaged over the tensor)
    std::vector<double> code_mean;        // of z, in the order of its elements (of a Gaussian latent: of its mean)
    AlignedVector<T> code_whitening;      // square, lower triangular: see kernels/whitening.hpp
};

/// The profile of a finished model on its training images: a forward and a backward pass for each.
/// @param policy trained together with params, whose monitored tensors are looked at
/// @param images N x height x width x channels, N > 0
/// @throws ValueError when there are no images, ShapeError when the model cannot give them back
template <class Model, class Params, class Policy>
GradientProfile<scalar_t<Params>> fit_profile(const Model& model, const Params& params, const Policy& policy,
                                              Batch<scalar_t<Params>> images, Executor& executor) {
    using T = scalar_t<Params>;
    if (images.samples() == 0) throw ValueError("fit_profile: needs one image or more");
    model.check_shape(images.shape());
    typename Model::template Packed<T> packed;
    model.pack(params, packed);

    // A fixed number of parts of the images, each summed by one thread and then in order: the number of threads does
    // not show in the bits.
    constexpr std::size_t parts = 16;
    struct Sums {
        std::vector<std::vector<double>> gradient, square;
        std::vector<double> code, code_products;
    };
    std::vector<Sums> sums(parts);
    executor.run(parts, [&](std::size_t part, std::size_t) {
        ScoringWorkspace<Model, T> w;
        w.gradient = zeros_like(params);
        Sums& sum = sums[part];
        const std::size_t last = images.samples() * (part + 1) / parts;
        for (std::size_t i = images.samples() * part / parts; i < last; ++i) {
            const Batch<T> x = images.slice(i, 1);
            const Batch<T> z =
                model.latent.forward(model.encoder.forward(packed.encoder, x, w.encoder), Batch<T>{}, w.latent);
            const Batch<T> y = model.decoder.forward(packed.decoder, z, w.decoder);
            kernels::add_outer_square(std::span(z.data(), z.size()), sum.code, sum.code_products);
            fill(w.gradient, 0);
            const Batch<T> dz = model.decoder.backward(
                packed.decoder, w.decoder, MeanSquaredError::gradient(y, x, x.size(), w.dy), w.gradient.decoder);
            if constexpr (watches_all<Policy, Params>())
                model.encoder.backward(packed.encoder, w.encoder, model.latent.backward(w.latent, dz, 0),
                                       w.gradient.encoder);
            policy.for_each_monitored(watched<Policy>(w.gradient), [&](std::size_t k, const auto& tensor) {
                if (sum.gradient.size() == k) {
                    sum.gradient.emplace_back(tensor.size());
                    sum.square.emplace_back(tensor.size());
                }
                for (std::size_t e = 0; e < tensor.size(); ++e) {
                    const double g = tensor.data()[e];
                    sum.gradient[k][e] += g;
                    sum.square[k][e] += g * g;
                }
            });
        }
    });

    const double n = static_cast<double>(images.samples());
    const auto mean_over_parts = [&](auto&& select) {
        std::vector<double> total;
        for (const Sums& sum : sums) {
            const std::vector<double>* const values = select(sum);
            if (!values) continue; // fewer images than parts
            total.resize(values->size());
            for (std::size_t e = 0; e < total.size(); ++e) total[e] += (*values)[e] / n;
        }
        return total;
    };
    GradientProfile<T> profile;
    for (std::size_t k = 0; k < policy.count(); ++k) {
        const auto of = [k](auto Sums::*member) {
            return [k, member](const Sums& sum) { return (sum.*member).empty() ? nullptr : &(sum.*member)[k]; };
        };
        const auto mean = mean_over_parts(of(&Sums::gradient)), square = mean_over_parts(of(&Sums::square));
        profile.mean.emplace_back(mean.begin(), mean.end());
        double floor = 0;
        for (const double s : square) floor += 0.1 * s / static_cast<double>(square.size());
        auto& weight = profile.weight.emplace_back(square.size());
        for (std::size_t e = 0; e < weight.size(); ++e)
            weight[e] =
                square[e] + floor > 0 ? static_cast<T>(1 / (square[e] + floor)) : T{0}; // a dead layer says nothing
    }
    const auto whole = [](std::vector<double> Sums::*member) {
        return [member](const Sums& sum) { return (sum.*member).empty() ? nullptr : &(sum.*member); };
    };
    profile.code_mean = mean_over_parts(whole(&Sums::code));
    const auto whitening = kernels::whitening(profile.code_mean, mean_over_parts(whole(&Sums::code_products)));
    profile.code_whitening.assign(whitening.begin(), whitening.end());
    return profile;
}

} // namespace gradcon::inline GRADCON_INSTRUCTION_SET
