#include "layer_checks.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("passes") {
    TEST_CASE("a rectifier fused with its neighbours does what it does apart") {
        for (const double slope : {0.0, 0.25, -0.5}) { // the last turns signs, so it is never fused
            INFO(slope);
            const Conv2d first(2, 5, {.stride = 2, .padding = 1});
            const ConvTranspose2d second(5, 2, {.kernel_size = 4, .stride = 2, .padding = 1});
            const Linear third(2 * 6 * 6, 7);
            const Sequential fused{first, LeakyReLU{slope}, second, ReLU{}, Flatten{}, LeakyReLU{slope}, third, ReLU{}};
            // what stands in a sequence of its own has no neighbours
            const Sequential apart{first,     Sequential{LeakyReLU{slope}}, second, Sequential{ReLU{}},
                                   Flatten{}, Sequential{LeakyReLU{slope}}, third,  Sequential{ReLU{}}};
            const Shape shape{3, 6, 6, 2};
            const auto run = [&](const auto& layers) {
                Rng rng(8);
                using L = std::remove_cvref_t<decltype(layers)>;
                using Params = typename L::template Params<double>;
                const Params p = layers.template init<double>(rng);
                Params p_dot = p, g = zeros_like(p), g_dot = g;
                randomize(p_dot, rng);
                packed_t<L, double> packed, packed_dot;
                pack(layers, p, packed);
                pack(layers, p_dot, packed_dot);
                const auto x = random_images<double>(shape, rng, -1, 1),
                           x_dot = random_images<double>(shape, rng, -1, 1);
                const auto dy = random_images<double>(layers.output_shape(shape), rng, -1, 1);
                typename L::template Cache<double> c, c_dot;
                std::vector<double> all;
                const auto append = [&](Batch<double> batch) {
                    all.insert(all.end(), batch.data(), batch.data() + batch.size());
                };
                append(layers.forward(packed, Batch<double>(x), c));
                append(layers.backward(packed, c, Batch<double>(dy), g));
                append(layers.forward_tangent(packed, packed_dot, c, c_dot, Batch<double>(x_dot)));
                append(layers.backward_tangent(packed, packed_dot, c, c_dot, Batch<double>(dy), g_dot));
                for_each_tensor([&](const auto& t) { all.insert(all.end(), t.begin(), t.end()); }, g);
                for_each_tensor([&](const auto& t) { all.insert(all.end(), t.begin(), t.end()); }, g_dot);
                return all;
            };
            const auto a = run(fused), b = run(apart);
            decltype(fused)::Cache<double> cache;
            Rng rng(8);
            decltype(fused)::Packed<double> packed;
            pack(fused, fused.init<double>(rng), packed);
            fused.forward(packed, Batch<double>(random_images<double>(shape, rng)), cache);
            CHECK(std::get<1>(cache.layers).forward_fused == (slope >= 0)); // that it was fused at all
            CHECK(std::get<1>(cache.layers).backward_fused == (slope >= 0));
            CHECK(!std::get<5>(cache.layers).forward_fused); // Flatten stands before it
            CHECK(!std::get<7>(cache.layers).backward_fused);
            REQUIRE(a.size() == b.size());
            for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-12 * (1 + std::abs(b[i])));
        }
    }
}
