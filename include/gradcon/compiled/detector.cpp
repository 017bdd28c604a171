#define GRADCON_COMPILED_LISTS
#include "gradcon/compiled/detector.hpp"

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
GRADCON_COMPILED_KERNELS(extern template, float)
GRADCON_COMPILED_EIGEN(extern template)
GRADCON_COMPILED_SCORING(extern template, float)
GRADCON_COMPILED_TRAINING(extern template, float)
GRADCON_COMPILED_DETECTOR(template, float)
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
