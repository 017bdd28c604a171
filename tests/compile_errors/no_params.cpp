// Must not compile, and must say what is missing.
#include <gradcon/gradcon.hpp>

struct Empty {};
static_assert(gradcon::check_layer<Empty>());
