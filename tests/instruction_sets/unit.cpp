// Compiled several times with different -m flags, and linked into one program.
#include <gradcon/data/idx.hpp>
#include <gradcon/gradcon.hpp>
#include <gradcon/io/model_file.hpp>
#include <gradcon/testing/check_gradient.hpp>

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

/// The instruction set of this unit; checks that its layers work.
const char* UNIT(bool& passed) {
    passed = gradcon::testing::check_gradient(gradcon::Conv2d{3, 17, {.kernel_size = 4, .stride = 2, .padding = 2}},
                                              {2, 9, 7, 3})
                 .passed;
    return STRING(GRADCON_INSTRUCTION_SET);
}
