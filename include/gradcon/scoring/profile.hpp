#pragma once

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/core/executor.hpp"
#include "gradcon/kernels/whitening.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/scoring/workspace.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// Gradients and codes of a finished model on the images that it was trained on. The statistics mean_cosine,
/// fisher_norm and code_distance compare an image with it. A profile with codes is for images of one size only.
template <class T>
struct GradientProfile {
    /// The mean of each monitored tensor's gradient g = d loss / d phi_k over the images. The policy's reference
    /// differs: it also averages the gradients of earlier models, from the start of training on.
    std::vector<AlignedVector<T>> mean;
    /// Of each element 1 / (F + 0.1 mean F), where F = mean of g^2 is the diagonal of the Fisher information and mean F
    /// its average over the tensor.
    std::vector<AlignedVector<T>> weight;
    /// The mean of the codes, n values; of a Gaussian latent, of its means. Empty: a profile without codes.
    std::vector<double> code_mean;
    /// n x n, lower triangular: see kernels/whitening.hpp.
    AlignedVector<T> code_whitening;

    bool has_codes() const { return !code_mean.empty(); }
};

struct ProfileOptions {
    /// Longer codes are left out of the profile, and scores then have no code distance. Cost for codes of n values and
    /// N images: O(n^2) memory and O(N n^2 + n^3) time in fit_profile, O(n^2) time for each scored image. (The paper's
    /// network makes codes of 1,600 values from images of 60 x 60.)
    std::size_t largest_code = 2048;
};

namespace detail {
/// The sizes of the tensors that the policy monitors in a tree.
/// @throws ShapeError when the tree lacks one of them
template <class Policy>
std::vector<std::size_t> monitored_sizes(const Policy& policy, const typename Policy::Gradients& tree) {
    std::vector<std::size_t> sizes;
    policy.for_each_monitored(tree, [&](std::size_t, const auto& tensor) { sizes.push_back(tensor.size()); });
    if (sizes.size() != policy.count())
        throw ShapeError(
            message("the policy monitors ", policy.count(), " tensors, of which this network has ", sizes.size()));
    return sizes;
}
} // namespace detail

/// @param decoder the model's parameters of the decoder
/// @throws ShapeError unless the profile is of the tensors that the policy monitors
template <class T, class Policy>
void check_profile(const GradientProfile<T>& profile, const Policy& policy, const typename Policy::Gradients& decoder) {
    const auto sizes = detail::monitored_sizes(policy, decoder);
    const auto fit = [&](const std::vector<AlignedVector<T>>& tensors) {
        return std::ranges::equal(tensors, sizes, {}, [](const AlignedVector<T>& tensor) { return tensor.size(); });
    };
    if (!fit(profile.mean) || !fit(profile.weight))
        throw ShapeError("the profile is of another network, or of other monitored tensors");
    if (profile.code_whitening.size() != profile.code_mean.size() * profile.code_mean.size())
        throw ShapeError(message("a profile of codes of ", profile.code_mean.size(),
                                 " values needs the square of that in code_whitening; it has ",
                                 profile.code_whitening.size()));
}

/// The profile of a finished model on its training images, by a forward and a backward pass for each image. Its bits do
/// not depend on the number of threads.
/// @param policy trained together with `params`; it says which tensors are monitored
/// @param images N x height x width x channels, N > 0
/// @throws ValueError when there are no images
/// @throws ShapeError when the model cannot reconstruct them, or the policy is of another network
template <class Model, class Params, class Policy>
GradientProfile<scalar_t<Params>> fit_profile(const Model& model, const Params& params, const Policy& policy,
                                              Batch<scalar_t<Params>> images, Executor& executor,
                                              const ProfileOptions& options = {}) {
    using T = scalar_t<Params>;
    if (images.samples() == 0) throw ValueError("fit_profile: needs one image or more");
    model.check_shape(images.shape());
    const auto sizes = detail::monitored_sizes(policy, params.decoder);
    typename Model::template Packed<T> packed;
    model.pack(params, packed);
    std::vector<ScoringWorkspace<Model, T>> workspaces(executor.workers());
    for (auto& w : workspaces) w.gradient = zeros_like(params);

    // A block of images is cut into a fixed number of parts. One thread sums the gradients of a part, and the parts are
    // summed in order. The codes of a block are kept, and the threads add their products row by row. Neither depends on
    // the number of threads.
    constexpr std::size_t parts = 16, share = 8, block = parts * share;
    struct Sums {
        std::vector<std::vector<double>> gradient, square;
    };
    std::vector<Sums> sums(parts);
    for (Sums& sum : sums)
        for (const std::size_t size : sizes) {
            sum.gradient.emplace_back(size);
            sum.square.emplace_back(size);
        }
    const std::size_t size = model.code_size(images.shape()), kept = size <= options.largest_code ? size : 0;
    std::vector<T> codes(block * kept);
    std::vector<double> code_sum(kept), code_products(kept * kept);
    for (std::size_t first = 0; first < images.samples(); first += block) {
        const std::size_t count = std::min(block, images.samples() - first);
        executor.run(parts, [&](std::size_t part, std::size_t worker) {
            ScoringWorkspace<Model, T>& w = workspaces[worker];
            Sums& sum = sums[part];
            for (std::size_t i = part * share; i < std::min(count, (part + 1) * share); ++i) {
                const Batch<T> x = images.slice(first + i, 1);
                const Batch<T> z =
                    model.latent.forward(model.encoder.forward(packed.encoder, x, w.encoder), Batch<T>{}, w.latent);
                const Batch<T> y = model.decoder.forward(packed.decoder, z, w.decoder);
                std::copy_n(z.data(), kept, codes.data() + i * kept);
                fill(w.gradient, 0);
                model.decoder.backward(packed.decoder, w.decoder, model.loss.gradient(y, x, x.size(), w.dy),
                                       w.gradient.decoder);
                policy.for_each_monitored(w.gradient.decoder, [&](std::size_t k, const auto& tensor) {
                    for (std::size_t e = 0; e < tensor.size(); ++e) {
                        const double g = tensor.data()[e];
                        sum.gradient[k][e] += g;
                        sum.square[k][e] += g * g;
                    }
                });
            }
        });
        if (kept == 0) continue;
        executor.run(parts, [&](std::size_t part, std::size_t) {
            kernels::add_outer_squares(std::span<const T>(codes).first(count * kept), part, parts, std::span(code_sum),
                                       std::span(code_products));
        });
    }

    const double n = static_cast<double>(images.samples());
    const auto mean_over_parts = [&](std::vector<std::vector<double>> Sums::*member, std::size_t k) {
        std::vector<double> total(sizes[k]);
        for (const Sums& sum : sums)
            for (std::size_t e = 0; e < total.size(); ++e) total[e] += (sum.*member)[k][e] / n;
        return total;
    };
    GradientProfile<T> profile;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
        const auto mean = mean_over_parts(&Sums::gradient, k), square = mean_over_parts(&Sums::square, k);
        profile.mean.emplace_back(mean.begin(), mean.end());
        double floor = 0;
        for (const double s : square) floor += 0.1 * s / static_cast<double>(square.size());
        auto& weight = profile.weight.emplace_back(square.size());
        for (std::size_t e = 0; e < weight.size(); ++e) {
            const double w = 1 / (square[e] + floor); // too large for T in a dead layer, which says nothing
            weight[e] = w <= double{std::numeric_limits<T>::max()} ? static_cast<T>(w) : T{0};
        }
    }
    if (kept == 0) return profile;
    for (double& value : code_sum) value /= n;
    for (double& value : code_products) value /= n;
    const auto whitening = kernels::whitening(code_sum, code_products);
    profile.code_mean = std::move(code_sum);
    profile.code_whitening.assign(whitening.begin(), whitening.end());
    return profile;
}

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
