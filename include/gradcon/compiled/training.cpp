#define GRADCON_COMPILED_LISTS
#include "gradcon/compiled/method.hpp"

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
GRADCON_COMPILED_KERNELS(extern template, float)
GRADCON_COMPILED_EIGEN(extern template)
GRADCON_COMPILED_TRAINING(template, float)
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
