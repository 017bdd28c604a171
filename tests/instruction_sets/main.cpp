// Units of one program with different instruction sets must not share code that only one of them may run.
#include <cstdio>
#include <string_view>

const char* sse2_unit(bool&);
const char* avx2_unit(bool&);

int main() {
    int failures = 0;
    const auto check = [&](const char* (*unit)(bool&), std::string_view expected) {
        bool passed = false;
        const char* name = unit(passed);
        std::printf("%s: %s\n", name, passed ? "right" : "WRONG");
        failures += !passed || name != expected;
    };
    check(sse2_unit, "sse2");
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) check(avx2_unit, "avx2");
    return failures;
}
