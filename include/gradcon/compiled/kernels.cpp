#define GRADCON_COMPILED_LISTS
#include "gradcon/compiled/method.hpp"

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
GRADCON_COMPILED_KERNELS(template, float)
GRADCON_COMPILED_EIGEN(template)
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
