#include "scoring.hpp"

int evaluate(const Options&) { return 0; }
