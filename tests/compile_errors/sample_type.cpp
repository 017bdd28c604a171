// Must not compile, and must say what a sample is.
#include <gradcon/detector/detector.hpp>

#include <vector>

gradcon::Verdict score(const gradcon::Detector<float>& detector, const std::vector<int>& sample) {
    return detector.score(sample);
}
