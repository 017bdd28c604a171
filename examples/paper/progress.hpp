#pragma once

#include <gradcon/gradcon.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <unistd.h>

/// One line on a terminal that tells what is being trained and how long all trainings will take; into a file, a line
/// for each training.
class Progress {
  public:
    /// @param images of all trainings, each counted once for each epoch
    explicit Progress(double images) : left_(images) {}

    /// Some were trained on by an earlier run.
    void skip(std::size_t images) { left_ -= static_cast<double>(images); }

    void epoch(const std::string& name, const gradcon::Epoch& epoch, std::size_t images) {
        left_ -= static_cast<double>(images);
        done_ += static_cast<double>(images);
        const bool last = epoch.number == epoch.epochs;
        if (!is_terminal_ && !last) return;
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
        const auto minutes = static_cast<long>(spent.count() / done_ * left_ / 60 + 0.5);
        std::fprintf(stderr, "%s%s  epoch %zu/%zu  loss %.5f  alignment %+.3f  %.0f images/s  %ld h %02ld min left%s",
                     is_terminal_ ? "\r\033[K" : "", name.c_str(), epoch.number, epoch.epochs,
                     epoch.training.reconstruction, -epoch.training.alignment, epoch.images_per_second, minutes / 60,
                     minutes % 60, last ? "\n" : "");
    }

  private:
    bool is_terminal_ = isatty(STDERR_FILENO) == 1;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double left_, done_ = 0;
};
