// Compiled for another instruction set than the library: this file makes its own templates.
#include "scored.hpp"

#if defined(GRADCON_COMPILED) && defined(__AVX2__)
#error "this file must not use gradcon::compiled"
#endif

double scored_for_another_instruction_set();
double scored_for_another_instruction_set() { return scored(); }
