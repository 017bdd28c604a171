#pragma once

#include <atomic>
#include <cstddef>

/// Calls of operator new so far, by any thread; this program's operator new counts them.
extern std::atomic<std::size_t> allocations;
/// The call with this number (from now on: 1 is the next) throws std::bad_alloc; 0: none does.
extern std::atomic<std::size_t> failing_allocation;
