#include "kernels_once.hpp"

GRADCON_TESTS_KERNELS(template, float)
GRADCON_TESTS_KERNELS(template, double)
