#include "kernels_once.hpp"

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
#ifndef GRADCON_COMPILED
GRADCON_COMPILED_KERNELS(template, float)
#endif
GRADCON_COMPILED_KERNELS(template, double)
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
