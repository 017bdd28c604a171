// The objective and its gradient with the second-order term, against two oracles: dual numbers and central differences.
#include "naive_autoencoder.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace gradcon;

namespace {

using Model = Autoencoder<Chain, Chain>;
using Params = Model::Params<double>;
using Policy = GradCon<Chain::Params<double>>;

Conv2d conv(std::size_t in, std::size_t out) { return {in, out, {.kernel_size = 4, .stride = 2, .padding = 2}}; }
ConvTranspose2d back(std::size_t in, std::size_t out, std::array<std::size_t, 2> output_padding) {
    return {in, out, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = output_padding}};
}
/// 7 x 10 to 4 x 6 to 3 x 4 and back; smooth, so that central differences hold everywhere.
Model smooth() {
    return {Chain{{conv(2, 5), Tanh{}, conv(5, 3), Tanh{}}},
            Chain{{back(3, 5, {0, 0}), Tanh{}, back(5, 2, {1, 0}), Sigmoid{}}}};
}
Model with_relu() {
    return {Chain{{conv(2, 5), ReLU{}, conv(5, 3), ReLU{}}},
            Chain{{back(3, 5, {0, 0}), ReLU{}, back(5, 2, {1, 0}), Sigmoid{}}}};
}

struct Setting {
    Model model;
    Rng rng{3};
    Params params;
    Policy policy;
    Tensor<double, 4> images;
    TrainingWorkspace<Model, double> workspace;
    SerialExecutor serial;

    explicit Setting(const Model& m, const GradConOptions& options = {.alpha = 0.3})
        : model(m), params(model.init<double>(rng)), policy(params.decoder, options),
          images(random_images<double>({11, 7, 10, 2}, rng)), workspace(params) {}

    Losses objective() { return gradcon::objective(model, params, policy, images, workspace, serial); }
    void some_updates() {
        for (int i = 0; i < 3; ++i) {
            auto reference = zeros_like(params.decoder);
            randomize(reference, rng);
            policy.update(reference);
        }
    }
};

/// dJ/dtheta by dual numbers: the gradient of L at theta + epsilon * alpha * u is dL/dtheta + epsilon * alpha * H u.
Params oracle(Setting& s) {
    NaiveAutoencoder<double> plain(s.model, s.params);
    plain.loss_and_gradient(s.images);
    auto g = zeros_like(s.params.decoder), u = zeros_like(s.params.decoder);
    const std::size_t first = 2 * 2; // tensors of the encoder
    std::size_t i = first;
    for_each_tensor([&](auto& tensor) { std::ranges::copy(*plain.gradients()[i++], tensor.data()); }, g);
    s.policy.add_penalty_gradient(g, u);

    NaiveAutoencoder<Dual> dual(s.model, s.params);
    i = first;
    for_each_tensor(
        [&](const auto& tensor) {
            auto& p = *dual.parameters()[i++];
            for (std::size_t k = 0; k < p.size(); ++k) p[k].derivative = tensor.data()[k];
        },
        u);
    dual.loss_and_gradient(s.images);
    Params total = zeros_like(s.params);
    i = 0;
    for_each_tensor(
        [&](auto& tensor) {
            const auto& gradient = *dual.gradients()[i++];
            for (std::size_t k = 0; k < gradient.size(); ++k)
                tensor.data()[k] = gradient[k].value + s.policy.options().alpha * gradient[k].derivative;
        },
        total);
    return total;
}

/// The gradient of J against central differences, for any policy and a latent's noise.
template <class AnyPolicy>
void check_slopes(const Model& model, const Params& start, const AnyPolicy& policy, Batch<double> images,
                  Batch<double> noise, Rng& rng) {
    TrainingWorkspace<Model, double> workspace(start);
    SerialExecutor serial;
    const auto j = [&](const Params& params) {
        return objective(model, params, policy, images, workspace, serial, noise).total;
    };
    j(start);
    const Params gradient = workspace.gradient;
    const auto slope = [&](const Params& direction) {
        constexpr double step = 1e-5; // error of order step^2 |J'''| and 1e-16 / step: both near 1e-11
        Params params = start;
        axpy(step, direction, params);
        const double after = j(params);
        axpy(-2 * step, direction, params);
        return (after - j(params)) / (2 * step);
    };
    for (int i = 0; i < 8; ++i) {
        Params some = zeros_like(start), direction = some;
        randomize(some, rng);
        axpy(1 / norm(some), some, direction); // a unit vector, as those below
        CHECK(std::abs(dot(gradient, direction) - slope(direction)) <= 1e-7 * norm(gradient));
    }
    std::size_t tensor = 0;
    for_each_named_tensor(
        [&](const std::string& name, const auto& g) {
            Params direction = zeros_like(start);
            const std::size_t element = random_index(rng, g.size());
            std::size_t at = 0;
            for_each_tensor(
                [&](auto& d) {
                    if (at++ == tensor) d.data()[element] = 1;
                },
                direction);
            INFO(name, " ", element);
            CHECK(std::abs(g.data()[element] - slope(direction)) <= 1e-7 * norm(gradient));
            ++tensor;
        },
        gradient);
}

void check_oracle(Setting& s) {
    s.objective();
    const Params expected = oracle(s);
    for_each_named_tensor(
        [&](const std::string& name, const auto& ours, const auto& theirs) {
            INFO(name);
            CHECK(relative_error(elements(ours), elements(theirs)) < 1e-12);
        },
        s.workspace.gradient, expected);
}

} // namespace

TEST_SUITE("objective") {
    TEST_CASE("gradient with the second-order term equals dual numbers to 1e-12, every tensor") {
        for (const Model& model : {smooth(), with_relu()}) {
            Setting s(model);
            s.some_updates();
            check_oracle(s);
        }
    }

    TEST_CASE("and for a policy that monitors all of the decoder's tensors, or one") {
        Setting s(smooth());
        s.policy = Policy(s.params.decoder, {.alpha = 0.3}, every_tensor);
        s.some_updates();
        check_oracle(s);
        s.policy = Policy(s.params.decoder, {.alpha = 0.3}, [](const TensorInfo& t) { return t.name == "2.weight"; });
        CHECK(s.policy.count() == 1);
        s.some_updates();
        check_oracle(s);
    }

    TEST_CASE("gradient of J equals central differences to 1e-7 along random directions and single parameters") {
        Setting s(smooth());
        s.some_updates();
        check_slopes(s.model, s.params, s.policy, s.images, {}, s.rng);
    }

    TEST_CASE("and that of a variational autoencoder, with noise and without") {
        const Model model{Chain{{conv(2, 5), Tanh{}, Flatten{}, Linear{4 * 6 * 5, 2 * 7}}},
                          Chain{{Linear{7, 4 * 6 * 5}, Unflatten{4, 6, 5}, Tanh{}, back(5, 2, {1, 0}), Sigmoid{}}},
                          Latent::gaussian(7)};
        Rng rng(4);
        const Params params = model.init<double>(rng);
        const auto images = random_images<double>({11, 7, 10, 2}, rng);
        Tensor<double, 4> noise;
        const Batch<double> eps = model.latent.draw(rng, 11, noise);
        const auto check = [&](auto policy) {
            for (int i = 0; i < 3; ++i) {
                auto reference = zeros_like(params.decoder);
                randomize(reference, rng);
                policy.update(reference);
            }
            check_slopes(model, params, policy, images, eps, rng);
            check_slopes(model, params, policy, images, {}, rng);
        };
        check(GradCon{params.decoder, {.alpha = 0.3}});
        check(Policy{params.decoder, {.alpha = 0.3}, every_tensor});
        CHECK(throws_naming<ShapeError>(
            [&] {
                SerialExecutor serial;
                TrainingWorkspace<Model, double> workspace(params);
                objective(model, params, GradCon{params.decoder, {}}, images, workspace, serial, eps.slice(0, 3));
            },
            {"3", "11"}));
    }

    TEST_CASE("KL of a Gaussian latent: its definition, and 0 for the standard normal distribution") {
        const Latent latent = Latent::gaussian(2);
        const std::vector<double> h{0, 0, 0, 0, 0.5, -2, std::log(4.0), std::log(0.25)};
        const Batch<double> both(h.data(), {2, 1, 1, 4});
        CHECK(latent.divergence(both.slice(0, 1)) == 0);
        // KL(N(m, s^2) || N(0, 1)) = log(1/s) + (s^2 + m^2)/2 - 1/2
        const double first = -std::log(2.0) + (4 + 0.25) / 2 - 0.5, second = std::log(2.0) + (0.25 + 4) / 2 - 0.5;
        CHECK(latent.divergence(both) == doctest::Approx(first + second).epsilon(1e-14));
        CHECK(throws_naming<ShapeError>([&] { latent.output_shape({2, 1, 1, 5}); }, {"1 x 4", "1 x 5"}));
        CHECK(throws_naming<ValueError>([&] { Latent::gaussian(0); }, {"0"}));
        Rng rng(2);
        Tensor<double, 4> noise;
        const auto eps = latent.draw(rng, 20000, noise);
        double mean = 0, square = 0, fourth = 0;
        for (std::size_t i = 0; i < eps.size(); ++i) {
            mean += eps.data()[i] / 40000;
            square += std::pow(eps.data()[i], 2) / 40000;
            fourth += std::pow(eps.data()[i], 4) / 40000;
        }
        CHECK(std::abs(mean) < 5 / std::sqrt(40000.0)); // five standard errors: 1, sqrt 2 and sqrt 96 over sqrt n
        CHECK(std::abs(square - 1) < 5 * std::sqrt(2.0 / 40000));
        CHECK(std::abs(fourth - 3) < 5 * std::sqrt(96.0 / 40000));
    }

    TEST_CASE("the first iteration has no penalty, and alpha = 0 none in the gradient") {
        Setting s(with_relu());
        const Losses first = s.objective();
        CHECK(first.alignment == 0);
        CHECK(first.total == first.reconstruction);
        NaiveAutoencoder<double> plain(s.model, s.params);
        CHECK(plain.loss_and_gradient(s.images) == doctest::Approx(first.reconstruction).epsilon(1e-13));
        check_oracle(s);
        Setting none(with_relu(), {.alpha = 0});
        none.some_updates();
        CHECK(none.objective().alignment != 0);
        check_oracle(none);
    }

    TEST_CASE("evaluate gives the objective's losses") {
        Setting s(with_relu());
        s.some_updates();
        const Losses a = s.objective(), b = evaluate(s.model, s.params, s.policy, s.images, s.workspace, s.serial);
        CHECK(a.total == b.total);
        CHECK(a.alignment == b.alignment);
        CHECK(a.total == a.reconstruction + 0.3 * a.alignment);
    }

    TEST_CASE("train_step feeds the reference with the gradient of the total loss") {
        Setting s(with_relu(), {.alpha = 0.3});
        Adam adam{s.params, {}};
        for (int i = 0; i < 2; ++i) train_step(s.model, s.params, s.policy, adam, s.images, s.workspace, s.serial);
        const std::vector<double> first(s.policy.reference().exact(0).begin(), s.policy.reference().exact(0).end());
        train_step(s.model, s.params, s.policy, adam, s.images, s.workspace, s.serial);
        const auto& used = std::get<ConvTranspose2d::Params<double>>(s.workspace.gradient.decoder.layers[0]).weight;
        for (std::size_t k = 0; k < first.size(); k += 17)
            CHECK(s.policy.reference().exact(0)[k] ==
                  doctest::Approx((2 * first[k] + used.data()[k]) / 3).epsilon(1e-12));
        CHECK(s.policy.reference().updates() == 3);
    }

    TEST_CASE("bits do not depend on the number of threads") {
        Setting one(with_relu());
        one.some_updates();
        one.objective();
        for (const std::size_t threads : {2U, 3U, 8U}) {
            ThreadPool pool(threads);
            TrainingWorkspace<Model, double> workspace(one.params);
            objective(one.model, one.params, one.policy, one.images, workspace, pool);
            for_each_tensor([](const auto& a, const auto& b) { CHECK(std::equal(a.begin(), a.end(), b.begin())); },
                            one.workspace.gradient, workspace.gradient);
        }
    }

    TEST_CASE("no images, and images of another size, are refused") {
        Setting s(smooth());
        const Tensor<double, 4> none(std::array<std::size_t, 4>{0, 7, 10, 2}),
            odd(std::array<std::size_t, 4>{1, 8, 10, 2});
        CHECK_THROWS_AS((objective(s.model, s.params, s.policy, none, s.workspace, s.serial)), ShapeError);
        CHECK_THROWS_AS((objective(s.model, s.params, s.policy, odd, s.workspace, s.serial)), ShapeError);
    }
}
