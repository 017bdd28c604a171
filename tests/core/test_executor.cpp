#include <gradcon/core/executor.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

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
