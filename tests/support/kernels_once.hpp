// The kernels are the larger part of what a program compiles: here once for each program (kernels_once.cpp), not once
// for each of its files. Where gradcon::compiled is linked, it has those for float.
#pragma once

#define GRADCON_COMPILED_LISTS
#include <gradcon/compiled/method.hpp>

#include <gradcon/gradcon.hpp>

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
GRADCON_COMPILED_KERNELS(extern template, float)
GRADCON_COMPILED_KERNELS(extern template, double)
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
