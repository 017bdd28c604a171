#include <gradcon/tree/tree.hpp>
