#include "count_allocations.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

std::atomic<std::size_t> allocations{0}, failing_allocation{0};

namespace {
void* allocate(std::size_t size, std::size_t alignment) {
    ++allocations;
    if (failing_allocation != 0 && --failing_allocation == 0) throw std::bad_alloc();
    void* memory =
        std::aligned_alloc(alignment, (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}
} // namespace

void* operator new(std::size_t size) { return allocate(size, 16); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
