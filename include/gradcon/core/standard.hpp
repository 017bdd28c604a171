#pragma once

// Every header reaches this one before any C++20. Compilers go on after #error; at an include that they do not find
// they stop, before errors that say nothing of the cause.
#if __cplusplus < 202002L
#error "gradcon needs C++20: compile with -std=c++20"
#include "gradcon needs C++20: compile with -std=c++20"
#endif
