#pragma once

#include "evaluation.hpp"

#include <cstddef>
#include <string>

/// How the scores of the model's own rule are distributed, normal beside abnormal, with the threshold: an SVG
/// element.
std::string histogram_svg(const Evaluation& evaluation);

/// So many scores lie beyond the histogram's last bar, which holds them too.
std::size_t beyond_histogram(const Evaluation& evaluation);

/// The ROC curve of the model's own rule, with the threshold's point on it: an SVG element.
std::string roc_svg(const Evaluation& evaluation);

/// A number for people, of so many digits; none for what is not finite.
std::string readable(double value, int digits = 3);

/// An AUROC.
std::string three_places(double value);

/// A share as "1.2 %".
std::string percent(double share);
