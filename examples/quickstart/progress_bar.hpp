#pragma once

#include <gradcon/gradcon.hpp>

#include <cstdio>
#include <string>
#include <unistd.h>

/// One line that tells how training goes; silent when standard error is no terminal.
class ProgressBar {
  public:
    void operator()(const gradcon::Epoch& epoch) {
        seconds_ += epoch.seconds;
        if (!is_terminal_) return;
        const auto done = static_cast<double>(epoch.number) / static_cast<double>(epoch.epochs);
        const std::string bar(static_cast<std::size_t>(done * 30), '#');
        std::fprintf(stderr, "\r[%-30s] epoch %zu/%zu  loss %.5f  alignment %+.3f  %.0f images/s  %.0f s left ",
                     bar.c_str(), epoch.number, epoch.epochs, epoch.training.reconstruction, -epoch.training.alignment,
                     epoch.images_per_second, seconds_ / done * (1 - done));
        if (epoch.number == epoch.epochs) std::fputc('\n', stderr);
    }

    /// Spent on training so far, validation not counted.
    double seconds() const { return seconds_; }

  private:
    bool is_terminal_ = isatty(STDERR_FILENO) == 1;
    double seconds_ = 0;
};
