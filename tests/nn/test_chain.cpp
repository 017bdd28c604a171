#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("Chain") {
    TEST_CASE("a chain of a sequence's layers gives the same to the last bit") {
        const Conv2d conv{2, 3, {.kernel_size = 3, .stride = 2, .padding = 1}};
        const ConvTranspose2d back{3, 2, {.kernel_size = 4, .stride = 2, .padding = 1}};
        const Sequential sequential{conv, Tanh{}, back, Sigmoid{}};
        const Chain chain(sequential);
        check_passes(chain, {2, 6, 5, 2});
        Rng rng(3), same(3);
        const auto p = sequential.init(rng);
        const auto q = chain.init(same);
        const auto x = random_images<float>({2, 6, 5, 2}, rng);
        Sequential<Conv2d, Tanh, ConvTranspose2d, Sigmoid>::Packed<float> packed;
        Chain::Packed<float> packed_chain;
        sequential.pack(p, packed);
        chain.pack(q, packed_chain);
        Sequential<Conv2d, Tanh, ConvTranspose2d, Sigmoid>::Cache<float> cache;
        Chain::Cache<float> cache_chain;
        const Batch<float> a = sequential.forward(packed, Batch<float>(x), cache),
                           b = chain.forward(packed_chain, Batch<float>(x), cache_chain);
        CHECK(a.shape() == b.shape());
        CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
    }

    TEST_CASE("every layer it holds: passes, reductions, tangents of an input that stays") {
        const Chain chain{{Conv2d{2, 6, {.padding = 1}}, GroupNorm{3, 6}, Tanh{}, MaxPool2d{{.kernel_size = 2}},
                           Flatten{}, Linear{24, 4}, Unflatten{2, 2, 1}, LeakyReLU{0.3}, ConvTranspose2d{1, 2, {}},
                           Sigmoid{}}};
        check_passes(chain, {2, 4, 5, 2});
        check_reduction(chain, {1, 4, 5, 2});
        Tensor<double, 4> zeros;
        Chain::Cache<double> c, c_dot;
        Chain::Packed<double> none;
        const auto y_dot = Chain{}.forward_tangent_parameters(none, none, c, c_dot, {1, 2, 2, 1}, zeros);
        CHECK(y_dot.shape() == Shape{1, 2, 2, 1}); // of no layers: the input's
        CHECK(y_dot.data()[3] == 0);
    }
}
