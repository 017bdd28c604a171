#pragma once

// The one place that names the version; CMakeLists.txt reads these three lines.
#define GRADCON_VERSION_MAJOR 0
#define GRADCON_VERSION_MINOR 1
#define GRADCON_VERSION_PATCH 0
