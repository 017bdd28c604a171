#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <unistd.h>

/// One line on a terminal that tells what is being trained and how long all trainings will take; into a file, a line
/// for each training. And a line for everything else.
class Progress {
  public:
    /// @param images that will be trained on, each counted once for each epoch
    void expect(double images) { left_ += images; }

    /// So many of them were trained on by an earlier run.
    void skip(std::size_t images) { left_ -= static_cast<double>(images); }

    template <class Epoch>
    void epoch(const std::string& name, const Epoch& epoch, std::size_t images) {
        left_ -= static_cast<double>(images);
        done_ += static_cast<double>(images);
        seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
        start_ = std::chrono::steady_clock::now();
        const bool last = epoch.number == epoch.epochs;
        if (!is_terminal_ && !last) return;
        const auto minutes = static_cast<long>(seconds_ / done_ * left_ / 60 + 0.5);
        std::fprintf(stderr, "%s%s  epoch %zu/%zu  loss %.5f  alignment %+.3f  %.0f images/s  %ld h %02ld min left%s",
                     is_terminal_ ? "\r\033[K" : "", name.c_str(), epoch.number, epoch.epochs,
                     epoch.training.reconstruction, -epoch.training.alignment, epoch.images_per_second, minutes / 60,
                     minutes % 60, last ? "\n" : "");
    }

    /// A training begins: what came before does not count.
    void start() { start_ = std::chrono::steady_clock::now(); }

    void say(const std::string& what) const { std::fprintf(stderr, "%s\n", what.c_str()); }

  private:
    bool is_terminal_ = isatty(STDERR_FILENO) == 1;
    std::chrono::steady_clock::time_point start_{};
    double left_ = 0, done_ = 0, seconds_ = 0;
};
