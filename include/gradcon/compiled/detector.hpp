#pragma once

#include "gradcon/compiled/method.hpp"
#include "gradcon/detector/detector.hpp"
#include "gradcon/detector/explainer.hpp"
#include "gradcon/detector/learn.hpp"
#include "gradcon/io/detector_file.hpp"

#include <filesystem>

// What gradcon::compiled holds of the product: detectors, their learning, and their files. One list for the library,
// which defines these templates, and for the files that use it.

// NOLINTBEGIN(cppcoreguidelines-macro-usage)

#define GRADCON_COMPILED_DETECTOR(INSTANTIATE, T)                                                                      \
    INSTANTIATE class Detector<T>;                                                                                     \
    INSTANTIATE class Attribution<compiled::Model, T>;                                                                 \
    INSTANTIATE class Learning<T>;                                                                                     \
    INSTANTIATE Detector<T> learn<T>(TrainingSet<T>, const LearnOptions&, const OnEpoch&);

#define GRADCON_COMPILED_FILES(INSTANTIATE, T)                                                                         \
    INSTANTIATE void io::save<T>(const TrainedModel<T>&, const std::filesystem::path&);                                \
    INSTANTIATE void io::save<T>(const Detector<T>&, const std::filesystem::path&);                                    \
    INSTANTIATE TrainedModel<T> io::load_trained<T>(const std::filesystem::path&);                                     \
    INSTANTIATE Detector<T> io::load<T>(const std::filesystem::path&, const io::LoadOverrides&);

// NOLINTEND(cppcoreguidelines-macro-usage)

namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {

#ifdef GRADCON_COMPILED
GRADCON_COMPILED_DETECTOR(extern template, float)
GRADCON_COMPILED_FILES(extern template, float)
#endif

} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon

#ifndef GRADCON_COMPILED_LISTS // which the library's own files define
#undef GRADCON_COMPILED_DETECTOR
#undef GRADCON_COMPILED_FILES
#endif
