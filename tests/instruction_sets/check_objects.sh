#!/bin/sh
# check_objects.sh OBJECT...: object files that were compiled for AVX2.
#
# The linker keeps one copy of a function that several files define (a weak one), from whichever file comes first. If it
# keeps one with AVX instructions, all files call it, and the program fails on a machine without. So a weak function of
# ours with such instructions must have the instruction set in its name: it lies in the inline namespace, or is a
# template of a type that does.
#
# Left out are functions whose names have nothing of gradcon's: those of std, Eigen, xtensor and nlohmann for types of
# their own. Whatever includes these libraries makes the same functions, with gradcon or without.
set -eu
status=0
for object; do
    weak=$(mktemp)
    nm "$object" | awk '$2 == "W" {print $3}' >"$weak"
    found=$(objdump -d -w --no-show-raw-insn "$object" | awk -v weak="$weak" '
        BEGIN {while ((getline name < weak) > 0) is_weak[name] = 1}
        /^[0-9a-f]+ <.*>:$/ {name = substr($2, 2, length($2) - 3); ours = is_weak[name] && name ~ /7gradcon/; count += ours; next}
        ours && !seen[name] && name !~ /4avx2/ && $2 ~ /^v[a-z]/ {seen[name] = 1; print name}
        END {if (count < 100) print "only " count " functions of gradcon"}' | c++filt)
    rm "$weak"
    if [ -n "$found" ]; then
        printf '%s: functions with AVX instructions and without an instruction set in their names:\n%s\n' "$object" "$found"
        status=1
    fi
done
exit $status
