// OpenCV frames scored where they lie, the verdict drawn into them: opencv MODEL VIDEO [OUT.avi]. Without arguments a
// short film with a flaw in it, made and watched here.
#include <gradcon/detector.hpp>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// snippet: opencv
/// A view of a frame: no pixel is copied, whatever its step.
gradcon::ImageView<std::uint8_t> view(const cv::Mat& frame) {
    return {.data = frame.data,
            .height = static_cast<std::size_t>(frame.rows),
            .width = static_cast<std::size_t>(frame.cols),
            .order = frame.channels() == 1   ? gradcon::PixelOrder::gray
                     : frame.channels() == 3 ? gradcon::PixelOrder::bgr
                                             : gradcon::PixelOrder::bgra,
            .row_stride = static_cast<std::ptrdiff_t>(frame.step[0])};
}
// end of snippet

void draw(cv::Mat& frame, const gradcon::Verdict& verdict) {
    const cv::Scalar colour = verdict.anomalous ? cv::Scalar(0, 0, 255) : cv::Scalar(0, 160, 0);
    cv::rectangle(frame, {0, 0, frame.cols, frame.rows}, colour, 4);
    cv::putText(frame, cv::format("%s  p = %.3f", verdict.anomalous ? "ANOMALOUS" : "normal", verdict.p_value), {8, 20},
                cv::FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv::LINE_AA);
}

/// Frames as grain on a belt; a flaw is a dark disc.
cv::Mat film_frame(int number, bool flaw) {
    cv::Mat frame(120, 160, CV_8UC3);
    cv::RNG rng(static_cast<std::uint64_t>(number) + 1);
    rng.fill(frame, cv::RNG::NORMAL, cv::Scalar(120, 150, 170), cv::Scalar(12, 12, 12));
    cv::GaussianBlur(frame, frame, {5, 5}, 1.2);
    if (flaw) cv::circle(frame, {30 + 5 * (number % 20), 60}, 14, {30, 30, 40}, cv::FILLED, cv::LINE_AA);
    return frame;
}

void watch(const gradcon::Detector<float>& detector, cv::VideoCapture& video, const std::string& out) {
    auto workspace = detector.workspace();
    cv::VideoWriter writer;
    cv::Mat frame;
    std::size_t frames = 0, alarms = 0;
    while (video.read(frame)) {
        const gradcon::Verdict verdict = detector.score(view(frame), workspace);
        ++frames;
        alarms += verdict.anomalous ? 1 : 0;
        draw(frame, verdict);
        if (out.empty()) continue;
        if (!writer.isOpened()) writer.open(out, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), 25, frame.size());
        writer.write(frame);
    }
    if (frames == 0) throw std::runtime_error("the video has no frames");
    std::printf("%zu frames, %zu alarms\n", frames, alarms);
}

/// A film of 1000 frames, with a flaw in 20 of them.
void make_film(const std::string& film) {
    cv::VideoWriter writer(film, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), 25, {160, 120});
    for (int i = 0; i < 1000; ++i) writer.write(film_frame(i, i >= 800 && i < 820));
}

void run(int argc, char** argv) {
    if (argc >= 3) {
        cv::VideoCapture video(argv[2]);
        if (!video.isOpened()) throw std::runtime_error(std::string(argv[2]) + ": cannot be opened as a video");
        return watch(gradcon::io::load(argv[1]), video, argc > 3 ? argv[3] : "");
    }
    const std::string film = (std::filesystem::temp_directory_path() / "gradcon-film.avi").string();
    make_film(film);
    cv::VideoCapture video(film);
    // snippet: learn from frames
    std::vector<cv::Mat> frames(500); // normal ones
    std::vector<gradcon::ImageView<std::uint8_t>> views;
    for (cv::Mat& frame : frames) {
        video.read(frame);
        views.push_back(view(frame));
    }
    const auto detector = gradcon::learn(views, {.widths = {16, 32, 32}, .epochs = 6});
    // end of snippet
    watch(detector, video, "");
    std::filesystem::remove(film);
}

} // namespace

int main(int argc, char** argv) {
    try {
        run(argc, argv);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "opencv: %s\n", error.what());
        return 1;
    }
}
