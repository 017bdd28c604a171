#pragma once

#include "gradcon/core/error.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

/// A reference to a callable (task, worker); like std::function_ref, it owns nothing and allocates nothing.
class TaskRef {
  public:
    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, TaskRef> && std::is_invocable_v<F&, std::size_t, std::size_t>)
        TaskRef(F&& f)
        : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
          call_([](void* object, std::size_t task, std::size_t worker) {
              (*static_cast<std::remove_reference_t<F>*>(object))(task, worker);
          }) {}

    void operator()(std::size_t task, std::size_t worker) const { call_(object_, task, worker); }

  private:
    void* object_;
    void (*call_)(void*, std::size_t, std::size_t);
};

/// Runs tasks 0 .. count-1, each once, in any order, and returns when all are done. `worker` is below workers() and
/// never the same for two tasks that run at the same time, so it may index per-thread workspaces. What a task throws
/// reaches the caller of run. Derive from it to lend your own threads to the library.
class Executor {
  public:
    virtual ~Executor() = default;
    virtual std::size_t workers() const = 0;
    virtual void run(std::size_t count, TaskRef task) = 0;
};

/// The calling thread, alone.
class SerialExecutor final : public Executor {
  public:
    std::size_t workers() const override { return 1; }
    void run(std::size_t count, TaskRef task) override {
        for (std::size_t i = 0; i < count; ++i) task(i, 0);
    }
};

/// A fixed number of threads, the calling one among them. One run at a time: a second caller waits for its turn.
class ThreadPool final : public Executor {
  public:
    /// @param threads 1 or more; 0 takes one for each hardware thread
    explicit ThreadPool(std::size_t threads = 0) {
        if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
        if (threads > 4096) throw ValueError(message("a thread pool takes at most 4096 threads, not ", threads));
        try {
            for (std::size_t worker = 1; worker < threads; ++worker)
                threads_.emplace_back([this, worker] { serve(worker); });
        } catch (...) {
            stop();
            throw;
        }
    }
    ~ThreadPool() override { stop(); }
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    std::size_t workers() const override { return threads_.size() + 1; }

    /// Tasks that have not begun when one throws are dropped; the first exception is passed on.
    void run(std::size_t count, TaskRef task) override {
        const std::lock_guard turn(turn_);
        std::unique_lock lock(mutex_);
        task_ = &task;
        count_ = count;
        next_ = 0;
        error_ = nullptr;
        ++generation_;
        wake_.notify_all();
        work(0, lock);
        done_.wait(lock, [this] { return running_ == 0; });
        task_ = nullptr;
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    }

  private:
    void work(std::size_t worker, std::unique_lock<std::mutex>& lock) {
        while (next_ < count_) {
            const std::size_t task = next_++;
            ++running_;
            lock.unlock();
            std::exception_ptr error;
            try {
                (*task_)(task, worker);
            } catch (...) { error = std::current_exception(); }
            lock.lock();
            --running_;
            if (error) {
                if (!error_) error_ = error;
                next_ = count_;
            }
        }
        if (running_ == 0) done_.notify_all();
    }

    void serve(std::size_t worker) {
        std::unique_lock lock(mutex_);
        std::size_t seen = 0;
        while (true) {
            wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
            if (stopping_) return;
            seen = generation_;
            work(worker, lock);
        }
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

    std::mutex turn_, mutex_;
    std::condition_variable wake_, done_;
    const TaskRef* task_ = nullptr;
    std::size_t count_ = 0, next_ = 0, running_ = 0, generation_ = 0;
    std::exception_ptr error_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
