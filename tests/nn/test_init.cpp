#include "random_tensors.hpp"

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("initialisation") {
    TEST_CASE("He's initialisation has weights sqrt(6) times PyTorch's, and its biases") {
        const auto model = models::paper_cae(1);
        Rng rng(3);
        const auto params = model.init(rng);
        auto larger = params;
        scale_to_he(larger);
        for_each_tensor(
            [](const auto& a, const auto& b) {
                const double factor = rank(a) == 4 ? std::sqrt(6.0) : 1;
                for (std::size_t i = 0; i < a.size(); i += 7)
                    CHECK(double{b.data()[i]} == doctest::Approx(factor * double{a.data()[i]}).epsilon(1e-6));
            },
            params, larger);
    }
}
