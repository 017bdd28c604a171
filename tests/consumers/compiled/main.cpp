// This file takes its templates from gradcon::compiled.
#include "scored.hpp"

#include <cmath>
#include <cstdio>

#ifndef GRADCON_COMPILED
#error "this file does not use gradcon::compiled"
#endif

double scored_for_another_instruction_set();

int main() {
    const double score = scored();
    std::printf("score %g\n", score);
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
#endif
    return std::abs(score - scored_for_another_instruction_set()) < 1e-5 ? 0 : 1;
}
