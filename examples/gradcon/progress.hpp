#pragma once

#include <gradcon/training/fit.hpp>

#include <cstddef>
#include <cstdio>
#include <string>
#include <unistd.h>

/// How training goes, with the time left: one line that changes on a terminal; into a file, a line for each tenth of
/// it.
class Progress {
  public:
    void operator()(const gradcon::Epoch& epoch) {
        seconds_ += epoch.seconds;
        ++done_;
        const bool last = epoch.number == epoch.epochs, tenth = epoch.number * 10 % epoch.epochs < 10;
        if (!is_terminal_ && !last && !tenth) return;
        const double left = seconds_ / static_cast<double>(done_) * static_cast<double>(epoch.epochs - epoch.number);
        std::fprintf(stderr, "%sepoch %zu/%zu  error %.5f  held out %.5f  alignment %+.3f  %.0f samples/s  %s left%s",
                     is_terminal_ ? "\r\033[K" : "", epoch.number, epoch.epochs, epoch.training.reconstruction,
                     epoch.validation.reconstruction, -epoch.training.alignment, epoch.images_per_second,
                     duration(left).c_str(), is_terminal_ && !last ? "" : "\n");
    }
    /// Ends a line that is not full.
    void interrupt() const {
        if (is_terminal_) std::fputc('\n', stderr);
    }

  private:
    static std::string duration(double seconds) {
        const auto whole = static_cast<long>(seconds + 0.5);
        if (whole < 60) return std::to_string(whole) + " s";
        if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
        return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
    }

    bool is_terminal_ = isatty(STDERR_FILENO) == 1;
    double seconds_ = 0;
    std::size_t done_ = 0;
};

/// How many pictures were looked at: one line that changes on a terminal; into a file, a line for each fifth.
class PictureProgress {
  public:
    void step(std::size_t all) {
        ++done_;
        const bool fifth = done_ * 5 % all < 5;
        if (is_terminal_ ? done_ % 8 != 0 && done_ != all : !fifth) return;
        std::fprintf(stderr, "%spicture %zu/%zu%s", is_terminal_ ? "\r\033[K" : "", done_, all,
                     is_terminal_ && done_ != all ? "" : "\n");
    }

  private:
    bool is_terminal_ = isatty(STDERR_FILENO) == 1;
    std::size_t done_ = 0;
};
