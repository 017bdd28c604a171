#pragma once

// Inspection of each place of a picture: feature maps, score maps, regions, alarms, and the file that keeps an
// inspector. Networks that OpenCV runs: gradcon/features/opencv_dnn.hpp.

#include "gradcon/features/patches.hpp"
#include "gradcon/inspection/inspector.hpp"
#include "gradcon/inspection/learn.hpp"
#include "gradcon/inspection/localization.hpp"
#include "gradcon/io/inspector_file.hpp"

#ifdef GRADCON_COMPILED
#include "gradcon/compiled/detector.hpp"
#endif
