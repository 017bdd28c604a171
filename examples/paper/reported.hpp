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
    Reported{"mnist", "GradCon", by_paper, 0.973},
    Reported{"fmnist", "GradCon", by_paper, 0.934},
    Reported{"cifar10", "GradCon", by_paper, 0.664},
    Reported{"cifar10", "GradCon", by_code, 0.616},
    Reported{"cifar10", "GradCon", by_code_again, 0.6215},
    Reported{"networks", "CAE: reconstruction", by_paper, 0.564},
    Reported{"networks", "CAE + gradient: reconstruction", by_paper, 0.554},
    Reported{"networks", "CAE + gradient: gradient", by_paper, 0.661},
    Reported{"networks", "VAE: reconstruction", by_paper, 0.526},
    Reported{"networks", "VAE: latent", by_paper, 0.583},
    Reported{"networks", "VAE + gradient: gradient", by_paper, 0.647},
};

/// How to read a table.
inline constexpr const char* reading =
    "AUROC: the probability that an anomaly scores higher than a normal image; 0.5 is chance. Under a number, or in "
    "brackets, its 95 % interval: of one class by DeLong, of a mean over classes by a bootstrap within each class's "
    "test "
    "set. It tells how far chance in the choice of test images goes, not in training: that is the spread over the "
    "seeds, "
    "their standard deviation after ±, where there are several seeds. Values and intervals are then means over the "
    "seeds. "
    "What is marked as reported was not measured here. Of the paper's figures the three averages of GradCon (0.973, "
    "0.934, 0.664) are confirmed by a companion paper's abstract; all others are quoted from memory of the paper's "
    "tables. \"Public code\" is the authors' code after 1000 epochs, run by a third party (issue 2 of its repository).";

inline constexpr std::string_view rivals_on_cifar10 = "Other methods on CIFAR-10 as the paper reports them: OCSVM "
                                                      "0.586, KDE 0.610, VAE 0.583, PixelCNN 0.551, LSA 0.641, "
                                                      "AnoGAN 0.618, DSVDD 0.648, OCGAN 0.657.";

struct ReportedSize {
    const char* method;
    double parameters;
};
inline constexpr std::array reported_sizes{ReportedSize{"GradCon, paper", 230'721}, ReportedSize{"AnoGAN", 6'338'176},
                                           ReportedSize{"GPND", 6'766'243}, ReportedSize{"LSA", 13'690'160}};
