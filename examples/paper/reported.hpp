#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

/// A figure of someone else's, for the row of means.
struct Reported {
    std::string_view table, column, by;
    double value;
};

inline constexpr std::string_view by_paper = "mean, paper", by_code = "mean, public code",
                                  by_code_again = "mean, public code, second run";

/// AUROC, mean over the classes.
inline constexpr std::array reported{
    Reported{"mnist", "GradCon", by_paper, 0.973},         Reported{"fmnist", "GradCon", by_paper, 0.934},
    Reported{"cifar10", "GradCon", by_paper, 0.664},       Reported{"cifar10", "GradCon", by_code, 0.616},
    Reported{"cifar10", "GradCon", by_code_again, 0.6215},
};

/// How to read a table.
inline constexpr const char* reading =
    "AUROC is the probability that an anomaly scores higher than a normal image; 0.5 is chance. Under a number, or in "
    "brackets, is its 95 % interval: of one class by DeLong, of a mean over classes by a bootstrap within each class's "
    "test set. It covers the chance in the choice of test images, not the chance in training. With several seeds the "
    "number after ± is the standard deviation over the seeds, and values and intervals are means over the seeds. What "
    "is marked as reported was not measured here. The paper's three averages of GradCon (0.973, 0.934, 0.664) are "
    "those that the abstract of the authors' companion paper states. \"Public code\" is the authors' code after 1,000 "
    "epochs, run by a third party (issue 2 of its repository).";
