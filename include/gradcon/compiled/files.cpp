#define GRADCON_COMPILED_LISTS
#include "gradcon/compiled/detector.hpp"

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
GRADCON_COMPILED_KERNELS(extern template, float)
GRADCON_COMPILED_EIGEN(extern template)
GRADCON_COMPILED_SCORING(extern template, float)
GRADCON_COMPILED_DETECTOR(extern template, float)
GRADCON_COMPILED_FILES(template, float)
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
