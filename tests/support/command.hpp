#pragma once

#include "encoded_pictures.hpp"
#include "random_tensors.hpp"

#include "../../examples/gradcon/readers/png.hpp"
#include <gradcon/core/error.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/// The gradcon command (its path is COMMAND) as its users run it, and small inputs for it.
namespace command {

namespace fs = std::filesystem;
using encoded::Bytes;
using Picture = gradcon::Tensor<std::uint8_t, 3>;
using Words = std::vector<std::string>;

inline void write(const fs::path& path, const Bytes& bytes) {
    fs::create_directories(path.parent_path());
    fs::remove(path); // some file systems wait for the disk when a file is cut to nothing and filled again
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What a run has said, and its exit status: -1 when a signal ended it.
struct Run {
    int status = 0;
    std::string out, err;
};

/// A folder of its own in which the command runs, so that its messages have short names; removed at the end.
class Place {
  public:
    fs::path operator/(const fs::path& name) const { return folder_.path / name; }
    const fs::path& path() const { return folder_.path; }

    /// @param from the file or pipe that is its standard input, instead of one with the text `in`
    /// @param most_bytes of each file that it writes, as if the disk were full then
    pid_t start(const Words& arguments, const std::string& in = "", const std::string& from = "said/in",
                std::optional<rlim_t> most_bytes = {}) const {
        write(*this / "said/in", encoded::text(in));
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child != 0) return child;
        Words words{COMMAND};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        if (chdir(path().c_str()) != 0) _exit(126);
        const int input = open(from.c_str(), O_RDONLY), out = open("said/out", O_CREAT | O_TRUNC | O_WRONLY, 0600),
                  err = open("said/err", O_CREAT | O_TRUNC | O_WRONLY, 0600);
        if (most_bytes) {
            const rlimit limit{*most_bytes, *most_bytes};
            if (std::signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(126);
        }
        if (dup2(input, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(126);
        execv(COMMAND, argv.data());
        _exit(127);
    }
    Run wait_for(pid_t child) const {
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(*this / "said/out"), read(*this / "said/err")};
    }
    Run run(const Words& arguments, const std::string& in = "") const { return wait_for(start(arguments, in)); }
    /// A run that ends well.
    Run done(const Words& arguments, const std::string& in = "") const {
        Run r = run(arguments, in);
        REQUIRE_MESSAGE(r.status == 0, r.err);
        return r;
    }

  private:
    TemporaryFolder folder_;
};

using Json = nlohmann::json;

inline std::vector<Json> lines(const std::string& text) {
    std::vector<Json> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(Json::parse(line));
    return all;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Stripes of any phase with some noise; those of an anomaly lie across.
inline Picture stripes(gradcon::Rng& rng, bool anomaly, std::size_t height = 16, std::size_t width = 16,
                       std::size_t channels = 1) {
    const double phase = gradcon::uniform(rng, 0, 6.28), bright = gradcon::uniform(rng, 100, 150);
    Picture picture;
    picture.resize({height, width, channels});
    for (std::size_t y = 0; y < height; ++y)
        for (std::size_t x = 0; x < width; ++x) {
            const double along = anomaly ? static_cast<double>(y) * 16 / static_cast<double>(height)
                                         : static_cast<double>(x) * 16 / static_cast<double>(width);
            for (std::size_t c = 0; c < channels; ++c)
                picture(y, x, c) = static_cast<std::uint8_t>(bright + 60 * std::sin(0.9 * along + phase) +
                                                             gradcon::uniform(rng, -30, 30));
        }
    return picture;
}

inline void write_png(const fs::path& path, const Picture& picture) {
    fs::create_directories(path.parent_path());
    readers::write_png(path, gradcon::TensorView<const std::uint8_t, 3>(picture));
}

/// A folder of stripes of 16 x 16, named 000.png and on.
inline void write_stripes(const fs::path& folder, std::size_t count, bool anomalies, std::uint64_t seed) {
    gradcon::Rng rng(seed);
    for (std::size_t i = 0; i < count; ++i) {
        std::string name = std::to_string(i);
        name.insert(0, 3 - std::min<std::size_t>(3, name.size()), '0');
        write_png(folder / (name + ".png"), stripes(rng, anomalies));
    }
}

/// Rows of numbers near a line, with a header; an anomaly's lie beside it.
inline std::string table(std::size_t rows, bool anomalies, std::uint64_t seed, bool label = false) {
    gradcon::Rng rng(seed);
    std::string text = label ? "speed,class,load,heat\n" : "speed,load,heat\n";
    for (std::size_t i = 0; i < rows; ++i) {
        const double t = gradcon::standard_normal(rng);
        const auto noise = [&] { return 0.1 * gradcon::standard_normal(rng); };
        text += gradcon::message(10 + t + noise(), label ? (anomalies ? ",broken" : ",good") : "", ",",
                                 (anomalies ? -200 : 200) * t + 10 * noise(), ",", 3 - t + noise(), "\n");
    }
    return text;
}

/// A place with 200 normal pictures and the model "m" of them, trained once.
inline const Place& trained() {
    struct Trained : Place {
        Trained() {
            write_stripes(*this / "normal", 200, false, 1);
            done({"train", "normal", "--model", "m", "--width", "8", "--epochs", "10", "--false-alarm-rate", "0.05"});
        }
    };
    static const Trained place;
    return place;
}

} // namespace command
