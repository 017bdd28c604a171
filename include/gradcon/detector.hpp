#pragma once

// The product: a trained and calibrated model that scores pictures and rows of tables as they come, explains its
// verdicts, and is kept in one file.

#include "gradcon/detector/detector.hpp"
#include "gradcon/detector/explainer.hpp"
#include "gradcon/detector/learn.hpp"
#include "gradcon/io/detector_file.hpp"

#ifdef GRADCON_COMPILED
#include "gradcon/compiled/detector.hpp"
#endif
