#include "random_tensors.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>

using namespace gradcon;

TEST_SUITE("executor") {
    TEST_CASE("every task runs once, on a worker that runs nothing else meanwhile") {
        for (const std::size_t threads : {1U, 2U, 3U, 8U, 64U}) {
            ThreadPool pool(threads);
            CHECK(pool.workers() == threads);
            for (const std::size_t count : {0U, 1U, 2U, 100U}) {
                std::vector<std::atomic<int>> runs(count), busy(threads);
                std::atomic<bool> shared{false};
                pool.run(count, [&](std::size_t task, std::size_t worker) {
                    if (busy[worker]++ != 0) shared = true;
                    ++runs[task];
                    --busy[worker];
                });
                CHECK(!shared);
                for (const auto& r : runs) CHECK(r == 1);
            }
        }
    }

    TEST_CASE("an exception reaches the caller, and the pool works on") {
        ThreadPool pool(3);
        for (int round = 0; round < 20; ++round) {
            CHECK_THROWS_WITH_AS(pool.run(50,
                                          [](std::size_t task, std::size_t) {
                                              if (task == 7) throw std::runtime_error("task 7");
                                          }),
                                 "task 7", std::runtime_error);
            std::atomic<int> runs{0};
            pool.run(50, [&](std::size_t, std::size_t) { ++runs; });
            CHECK(runs == 50);
        }
    }

    TEST_CASE("several threads may share a pool: they take turns") {
        ThreadPool pool(2);
        std::atomic<int> runs{0};
        std::vector<std::thread> callers;
        for (int c = 0; c < 4; ++c)
            callers.emplace_back([&] {
                for (int i = 0; i < 25; ++i) pool.run(10, [&](std::size_t, std::size_t) { ++runs; });
            });
        for (auto& caller : callers) caller.join();
        CHECK(runs == 1000);
    }

    TEST_CASE("an absurd number of threads is refused") { CHECK_THROWS_AS(ThreadPool(5000), ValueError); }
}

TEST_SUITE("random") {
    TEST_CASE("a seed's numbers are fixed, on every platform") {
        Rng rng(0);
        CHECK(uniform(rng, 0, 1) == doctest::Approx(0.15979336337046085).epsilon(1e-15));
        Rng copy = rng;
        CHECK(random_index(rng, 1000) == copy() % 1000);
        Rng standard; // whose 10,000th number the C++ standard gives
        standard.discard(9999);
        CHECK(standard() == 9981545732273789042U);
        std::vector<int> values(6);
        std::iota(values.begin(), values.end(), 0);
        shuffle(std::span(values), rng);
        std::vector<int> sorted = values;
        std::ranges::sort(sorted);
        CHECK(sorted == std::vector<int>{0, 1, 2, 3, 4, 5});
    }

    TEST_CASE("draws are uniform") {
        Rng rng(4);
        double sum = 0, squares = 0;
        std::vector<int> counts(5);
        constexpr int n = 100'000;
        for (int i = 0; i < n; ++i) {
            const double u = uniform(rng, -1, 3);
            CHECK_MESSAGE((u >= -1 && u < 3), u);
            sum += u;
            squares += u * u;
            ++counts[random_index(rng, 5)];
        }
        CHECK(std::abs(sum / n - 1) < 0.02); // 5 standard deviations
        CHECK(std::abs(squares / n - (1 + 16.0 / 12)) < 0.04);
        for (const int count : counts) CHECK(std::abs(count - n / 5) < 5 * 127);
    }
}
