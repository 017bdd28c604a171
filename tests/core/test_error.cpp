#include <gradcon/core/error.hpp>

#include <doctest/doctest.h>

#include <locale>
#include <string>
#include <type_traits>

using namespace gradcon;

namespace {

/// Numbers as in Germany: 1.234,5.
struct GermanNumbers : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

} // namespace

TEST_SUITE("errors") {
    TEST_CASE("a message is the same in every locale") {
        const std::locale before = std::locale::global(std::locale(std::locale::classic(), new GermanNumbers));
        const std::string text = message("size ", 12345, ", rate ", 0.5);
        std::locale::global(before);
        CHECK(text == "size 12345, rate 0.5");
    }

    TEST_CASE("every error is an Error") {
        static_assert(std::is_base_of_v<Error, ShapeError> && std::is_base_of_v<Error, ValueError> &&
                      std::is_base_of_v<Error, FileError> && std::is_base_of_v<Error, DivergenceError>);
        CHECK(std::string(ShapeError(message("needs ", 3)).what()) == "needs 3");
    }
}
