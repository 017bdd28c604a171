#pragma once

#include "evaluation.hpp"

/// Writes options.report, a page that needs no other file: the figures, and the samples to look at.
void write_report(const Evaluation& evaluation, const Options& options, const Model& model);
