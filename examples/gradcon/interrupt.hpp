#pragma once

#include <gradcon/core/executor.hpp>

/// Ctrl-C was pressed, or the program was told to end, while a training ran.
struct Interrupted {};

/// From now on neither ends the program, but both make stop_if_interrupted throw.
void catch_interrupts();
/// @throws Interrupted after one of them
void stop_if_interrupted();

/// The status that shells know of a program that was interrupted.
constexpr int interrupted_status = 130;

/// Lends a pool's threads until Ctrl-C is pressed: fit then undoes the epoch that has begun.
class InterruptibleExecutor final : public gradcon::Executor {
  public:
    explicit InterruptibleExecutor(gradcon::ThreadPool& threads) : threads_(threads) {}
    std::size_t workers() const override { return threads_.workers(); }
    void run(std::size_t count, gradcon::TaskRef task) override {
        stop_if_interrupted();
        threads_.run(count, task);
    }

  private:
    gradcon::ThreadPool& threads_;
};
