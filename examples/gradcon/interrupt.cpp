#include "interrupt.hpp"

#include <atomic>
#include <csignal>

namespace {
std::atomic<bool> interrupted = false;
}

void catch_interrupts() {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = true; });
}

void stop_if_interrupted() {
    if (interrupted) throw Interrupted{};
}
