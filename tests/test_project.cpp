// Promises about the project's own files: floors, the only users of a dependency, and README snippets.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
const fs::path root = GRADCON_TESTS_DIR "/..";

std::string read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> includes(const fs::path& header) {
    std::vector<std::string> found;
    std::istringstream text(read(header));
    for (std::string line; std::getline(text, line);)
        if (line.starts_with("#include ")) found.push_back(line.substr(10, line.find_last_of("\">") - 10));
    return found;
}

std::string folder_of(const std::string& header) {
    return header.find('/') == std::string::npos ? "" : header.substr(0, header.find('/'));
}

/// The floor of a header: that of its folder. What users include stands at the top, above all floors.
int floor_of(const std::string& header) {
    static const std::map<std::string, int> floors{
        {"core", 0},       {"kernels", 1},    {"evaluation", 1}, {"image", 1},    {"tree", 2},     {"features", 2},
        {"nn", 3},         {"constraint", 3}, {"optim", 3},      {"training", 4}, {"scoring", 4},  {"detector", 5},
        {"inspection", 6}, {"data", 6},       {"testing", 6},    {"io", 7},       {"compiled", 8}, {"", 9}};
    const auto floor = floors.find(folder_of(header));
    return floor == floors.end() ? -1 : floor->second;
}

struct Header {
    std::string name; // path below include/gradcon
    std::vector<std::string> included;
};

std::vector<Header> all_headers() {
    std::vector<Header> headers;
    for (const auto& entry : fs::recursive_directory_iterator(root / "include/gradcon"))
        if (entry.path().extension() == ".hpp")
            headers.push_back({fs::relative(entry.path(), root / "include/gradcon").string(), includes(entry.path())});
    return headers;
}

/// Every marked part of the examples, without its indentation.
std::map<std::string, std::string> snippets() {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(root / "examples")) {
        if (entry.path().extension() != ".cpp") continue;
        std::istringstream text(read(entry.path()));
        std::string name, body;
        std::size_t indentation = 0;
        for (std::string line; std::getline(text, line);) {
            const auto first = line.find_first_not_of(' ');
            if (const auto at = line.find("// snippet: "); at != std::string::npos) {
                name = line.substr(at + 12);
                indentation = at;
                body.clear();
            } else if (line.find("// end of snippet") != std::string::npos) {
                found[name] = body;
                name.clear();
            } else if (!name.empty()) {
                body += (first == std::string::npos ? "" : line.substr(std::min(indentation, first))) + "\n";
            }
        }
        CHECK_MESSAGE(name.empty(), entry.path().string(), " leaves a snippet open: ", name);
    }
    return found;
}

} // namespace

TEST_SUITE("project") {
    TEST_CASE("a header includes only lower floors, or its own folder") {
        const auto headers = all_headers();
        CHECK(headers.size() > 30);
        for (const auto& entry : headers) {
            const std::string& header = entry.name;
            CHECK_MESSAGE(floor_of(header) >= 0, header, " has no floor");
            for (const std::string& other : entry.included) {
                if (!other.starts_with("gradcon/")) continue;
                const std::string name = other.substr(8);
                const bool known = std::ranges::find(headers, name, &Header::name) != headers.end();
                CHECK_MESSAGE(known, header, " includes ", other);
                const bool lower = floor_of(name) < floor_of(header);
                CHECK_MESSAGE((lower || folder_of(name) == folder_of(header)), header, " includes ", name);
            }
        }
    }

    TEST_CASE("each dependency enters at one place") {
        for (const auto& entry : all_headers()) {
            const std::string& header = entry.name;
            for (const std::string& other : entry.included) {
                const auto from = [&](const char* prefix) { return other.starts_with(prefix); };
                if (from("xtensor") || from("xtl"))
                    CHECK_MESSAGE(header == "core/tensor.hpp", header, " includes ", other);
                if (from("Eigen")) CHECK_MESSAGE(header == "kernels/gemm.hpp", header, " includes ", other);
                if (from("nlohmann")) CHECK_MESSAGE(header == "io/json.hpp", header, " includes ", other);
                if (from("zlib")) CHECK_MESSAGE(folder_of(header) == "data", header, " includes ", other);
                if (from("opencv")) CHECK_MESSAGE(header == "features/opencv_dnn.hpp", header, " includes ", other);
                CHECK_MESSAGE(!(from("png") || from("jpeg")), header, " includes ", other);
                if (from("unistd") || from("sys/") || from("fcntl"))
                    CHECK_MESSAGE(folder_of(header) == "io", header, " includes ", other);
                if (from("immintrin") || from("emmintrin") || from("x86intrin"))
                    CHECK_MESSAGE(header == "core/simd.hpp", header, " includes ", other);
            }
        }
    }

    TEST_CASE("every C++ block of the README and the guide is a part of an example, word for word") {
        const auto known = snippets();
        std::set<std::string> bodies;
        for (const auto& [name, body] : known) bodies.insert(body);
        for (const auto& [file, expected] : {std::pair("README.md", 2), std::pair("docs/guide.md", 10)}) {
            std::istringstream text(read(root / file));
            int blocks = 0;
            std::string body;
            bool inside = false;
            for (std::string line; std::getline(text, line);) {
                if (line == "```cpp") {
                    inside = true;
                    body.clear();
                } else if (inside && line == "```") {
                    inside = false;
                    ++blocks;
                    CAPTURE(body);
                    CHECK_MESSAGE(bodies.contains(body), "no example has it");
                } else if (inside) {
                    body += line + "\n";
                }
            }
            CHECK(blocks >= expected);
        }
    }

    TEST_CASE("no header prints, no header keeps state") {
        for (const auto& entry : all_headers()) {
            const std::string& header = entry.name;
            const std::string text = read(root / "include/gradcon" / header);
            for (const char* word : {"std::cout", "std::cerr", "printf(", "thread_local", "mutable "})
                CHECK_MESSAGE(text.find(word) == std::string::npos, header, " contains ", word);
        }
    }
}
