// A camera, several scorers, one detector: frames go through a queue that never grows beyond its room.
#include <gradcon/detector.hpp>
#include <gradcon/evaluation/drift.hpp>

#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace {

struct Frame {
    static constexpr std::size_t height = 48, width = 64;
    std::vector<std::uint8_t> pixels; // blue, green, red, as cameras give them
};

gradcon::ImageView<std::uint8_t> view(const Frame& frame) {
    return {
        .data = frame.pixels.data(), .height = Frame::height, .width = Frame::width, .order = gradcon::PixelOrder::bgr};
}

Frame capture(gradcon::Rng& camera) {
    Frame frame{std::vector<std::uint8_t>(Frame::height * Frame::width * 3)};
    for (auto& value : frame.pixels) value = static_cast<std::uint8_t>(100 + camera() % 50);
    return frame;
}

/// First in, first out. Whoever puts waits for room; whoever takes waits for a frame, or for the end.
class BoundedQueue {
  public:
    explicit BoundedQueue(std::size_t room) : room_(room) {}

    void put(Frame frame) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return frames_.size() < room_; });
        frames_.push_back(std::move(frame));
        changed_.notify_all();
    }
    std::optional<Frame> take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !frames_.empty() || closed_; });
        if (frames_.empty()) return {};
        Frame frame = std::move(frames_.front());
        frames_.pop_front();
        changed_.notify_all();
        return frame;
    }
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        changed_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Frame> frames_;
    const std::size_t room_;
    bool closed_ = false;
};

/// Stands for one that gradcon::io::load reads: learned from what this camera sees.
gradcon::Detector<float> learn_detector() {
    gradcon::Rng camera(5);
    std::vector<Frame> frames(700); // 105 of them calibrate
    std::vector<gradcon::ImageView<std::uint8_t>> views;
    for (Frame& frame : frames) {
        frame = capture(camera);
        views.push_back(view(frame));
    }
    return gradcon::learn(views, {.height = 24, .width = 32, .channels = 1, .widths = {8, 16}, .epochs = 2});
}

void run(std::size_t frames, std::size_t scorers) {
    const gradcon::Detector<float> detector = learn_detector();
    BoundedQueue queue(16);
    std::mutex results;
    std::size_t scored = 0, alarms = 0, drifts = 0;
    gradcon::DriftMonitor drift(detector.calibration(), {.window = 200, .false_alarm_rate = 1e-4});

    // snippet: pipeline
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < scorers; ++t)
        threads.emplace_back([&] {
            auto workspace = detector.workspace(); // after its first frame nothing is allocated
            while (const auto frame = queue.take()) {
                const gradcon::Verdict verdict = detector.score(view(*frame), workspace);
                const std::lock_guard lock(results);
                ++scored;
                if (verdict.anomalous) ++alarms;
                if (drift.add(verdict.score)) ++drifts; // what is normal has changed: calibrate anew
            }
        });
    // end of snippet
    gradcon::Rng camera(7);
    for (std::size_t i = 0; i < frames; ++i) queue.put(capture(camera));
    queue.close();
    for (auto& thread : threads) thread.join();
    std::printf("%zu frames by %zu scorers: %zu alarms, %zu windows with drift\n", scored, scorers, alarms, drifts);
}

} // namespace

int main() {
    try {
        run(2000, 3);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pipeline: %s\n", error.what());
        return 1;
    }
}
