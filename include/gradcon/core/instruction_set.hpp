#pragma once

#include "gradcon/core/standard.hpp"

// Everything but the exceptions lives in an inline namespace that carries the instruction set's name, so that two
// translation units compiled with different -m flags never share a function: the linker would keep one of the two at
// random, and the program could meet an instruction that its machine lacks.
// The namespace opens on two lines, since ctags and other indexers do not read C++20's nested inline form.
//
// The library gradcon::compiled is built for one instruction set and tells the files that link it which one. A file
// for that set takes its templates from the library (GRADCON_COMPILED is defined); any other instantiates its own.
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define GRADCON_INSTRUCTION_SET avx512
#ifdef GRADCON_COMPILED_FOR_AVX512
#define GRADCON_COMPILED
#endif
#elif defined(__AVX2__) && defined(__FMA__)
#define GRADCON_INSTRUCTION_SET avx2
#ifdef GRADCON_COMPILED_FOR_AVX2
#define GRADCON_COMPILED
#endif
#elif defined(__SSE2__)
#define GRADCON_INSTRUCTION_SET sse2
#ifdef GRADCON_COMPILED_FOR_SSE2
#define GRADCON_COMPILED
#endif
#elif defined(__aarch64__)
#define GRADCON_INSTRUCTION_SET neon
#ifdef GRADCON_COMPILED_FOR_NEON
#define GRADCON_COMPILED
#endif
#else
#define GRADCON_INSTRUCTION_SET scalar
#ifdef GRADCON_COMPILED_FOR_SCALAR
#define GRADCON_COMPILED
#endif
#endif
