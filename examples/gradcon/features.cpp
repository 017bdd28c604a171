#include "features.hpp"

Features Features::from(const gradcon::FeatureSettings& settings, const std::string& network) {
    if (gradcon::text_setting(settings, "features") == "patches") return {gradcon::Patches::from(settings)};
#ifdef GRADCON_OPENCV_DNN
    return {gradcon::OpenCvDnn::from(network, settings)};
#else
    throw gradcon::ValueError("this gradcon was built without OpenCV's dnn, so it cannot run the network " + network);
#endif
}
