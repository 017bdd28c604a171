// The paper's tables (examples/paper), run as a program on small sets: its numbers, its errors, and kill -9.
#include "small_sets.hpp"

#include "../../examples/paper/mean_auroc.hpp"
#include "../../examples/paper/table.hpp"

#include <gradcon/evaluation/metrics.hpp>
#include <gradcon/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <map>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

/// A new folder with small sets; gone in the end.
struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "gradcon-paper-XXXXXX").string();
        path = mkdtemp(name.data());
        make_idx_set(path / "idx", 28);
        make_cifar10_set(path / "cifar10");
    }
    ~Folder() { fs::remove_all(path); }
};

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Starts the program in a folder; what it says goes into the file `said` there.
pid_t start(const fs::path& folder, const std::vector<std::string>& arguments) {
    fs::create_directories(folder);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child != 0) return child;
    std::vector<std::string> words{PAPER};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const int said = open((folder / "said").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (dup2(said, 1) < 0 || dup2(said, 2) < 0 || chdir(folder.c_str()) != 0) _exit(126);
    execv(PAPER, argv.data());
    _exit(127);
}

/// The exit status; -1 when it was killed.
int wait_for(pid_t child) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Kills the program as soon as a file is there. @return false when it ended before
bool kill_when(const fs::path& file, pid_t child) {
    while (!fs::exists(file)) {
        if (waitpid(child, nullptr, WNOHANG) == child) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(child, SIGKILL);
    return wait_for(child) == -1;
}

std::vector<std::string> options(std::vector<std::string> more) {
    for (const char* word : {"--classes", "0,1", "--threads", "2", "--out", "results"}) more.emplace_back(word);
    return more;
}

/// Number by row and column of a CSV file whose rows and columns need no quotes.
std::map<std::pair<std::string, std::string>, std::vector<std::string>> cells(const fs::path& path) {
    std::istringstream text(read(path));
    std::map<std::pair<std::string, std::string>, std::vector<std::string>> all;
    for (std::string line; std::getline(text, line);) {
        std::istringstream words(line);
        std::vector<std::string> row;
        for (std::string word; std::getline(words, word, ',');) row.push_back(word);
        all[{row[0], row[1]}] = row;
    }
    return all;
}

Judged random_scores(std::size_t count, std::uint64_t seed) {
    gradcon::Rng rng(seed);
    Judged judged;
    for (std::size_t i = 0; i < count; ++i) {
        judged.anomalous.push_back(i % 3 == 0);
        judged.scores.push_back(std::floor(gradcon::uniform(rng, 0, 20)) + 4.0 * judged.anomalous.back()); // with ties
    }
    return judged;
}

} // namespace

TEST_SUITE("paper") {
    TEST_CASE("the mean AUROC's interval is the library's for one set, and of two narrower than of each") {
        const std::vector<Judged> sets{random_scores(90, 1), random_scores(120, 2)};
        gradcon::Rng a(7), b(7), c(7);
        const auto ours = mean_auroc(std::span(sets).first(1), a, 300);
        const auto library =
            gradcon::bootstrap_interval(gradcon::auroc, sets[0].scores, sets[0].anomalous, b, 300, 0.95);
        CHECK(ours.value == doctest::Approx(library.value).epsilon(1e-12));
        CHECK(ours.low == doctest::Approx(library.low).epsilon(1e-12));
        CHECK(ours.high == doctest::Approx(library.high).epsilon(1e-12));
        CHECK(ours.standard_error == doctest::Approx(library.standard_error).epsilon(1e-9));
        const auto both = mean_auroc(sets, c, 300);
        CHECK(both.value == doctest::Approx((gradcon::auroc(sets[0].scores, sets[0].anomalous) +
                                             gradcon::auroc(sets[1].scores, sets[1].anomalous)) /
                                            2));
        CHECK(both.standard_error < ours.standard_error);
        CHECK_THROWS_AS(mean_auroc({}, a), gradcon::ValueError);
    }

    TEST_CASE("a table as CSV and as Markdown") {
        CHECK(readable(6'338'176) == "6,338,176");
        CHECK(readable(-1234) == "-1,234");
        CHECK(readable(999) == "999");
        CHECK(readable(12.34) == "12.3");
        CHECK(readable(0.9336) == "0.934");
        const Table table{"name",
                          "Title",
                          "Remark.",
                          "class",
                          {{"a, b", "x", 0.1, 0.02, 0.05, 0.25}, {"c", "y", 2, none, none, none, true}}};
        CHECK(csv(table) == "class,column,value,spread,low,high,source\n"
                            "\"a, b\",x,0.1,0.02,0.05,0.25,measured\nc,y,2,,,,reported\n");
        CHECK(markdown(table) == "# Title\n\nRemark.\n\n| class | x | y |\n|---|---|---|\n"
                                 "| a, b | 0.100 ± 0.020 [0.050, 0.250] | |\n| c | | 2.000 (reported) |\n");
    }

    TEST_CASE("all tables from small sets; their AUROCs are those of the scores that are kept") {
        const Folder sets;
        const fs::path results = sets.path / "results";
        const auto arguments = options(
            {"--fmnist", "../idx", "--mnist", "../idx", "--cifar10", "../cifar10", "--epochs", "2", "--images", "30"});
        fs::create_directories(sets.path / "run");
        const int status = wait_for(start(sets.path / "run", arguments));
        REQUIRE_MESSAGE(status == 0, read(sets.path / "run/said"));
        const fs::path out = sets.path / "run/results";
        const std::string page = read(out / "index.html");
        for (const char* table : {"mnist", "fmnist", "fmnist-outliers", "fmnist-outliers-f1", "cifar10", "conditions",
                                  "networks", "cost"}) {
            CHECK_MESSAGE(page.find("id=\"" + std::string(table) + "\"") != std::string::npos, table);
            CHECK(fs::exists(out / (std::string(table) + ".md")));
            CHECK(fs::exists(out / (std::string(table) + ".csv")));
        }
        for (const char* loads : {"src=\"http", "href=\"http", "url(", "<script"}) // all that it shows is in it
            CHECK_MESSAGE(page.find(loads) == std::string::npos, loads);

        const std::map<std::string, std::vector<std::string>> rows{
            {"mnist", {"0", "1"}}, {"fmnist", {"0 T-shirt", "1 trouser"}}, {"cifar10", {"0 airplane", "1 automobile"}}};
        for (const auto& [set, names] : rows) {
            const auto table = cells(out / (set + ".csv"));
            double mean = 0;
            for (std::size_t k = 0; k < 2; ++k) {
                const auto file = gradcon::io::read_safetensors(
                    out / set / "cae+gradient" / ("class-" + std::to_string(k) + "-seed-0") / "scores.safetensors");
                std::vector<std::uint8_t> anomalous;
                for (const double label : file.values<double>("test.anomalous")) anomalous.push_back(label > 0);
                CHECK(anomalous.size() == 30);
                CHECK(std::ranges::count(anomalous, 1) == 15);
                const auto interval = gradcon::auroc_interval(file.values<double>("test.score"), anomalous);
                const auto& row = table.at({names[k], "GradCon"});
                CHECK(std::stod(row[2]) == interval.value);
                CHECK(std::stod(row[4]) == interval.low);
                CHECK(std::stod(row[5]) == interval.high);
                CHECK(std::stod(table.at({names[k], "reconstruction"})[2]) ==
                      gradcon::auroc(file.values<double>("test.reconstruction_error"), anomalous));
                mean += interval.value / 2;
            }
            CHECK(std::stod(table.at({"mean", "GradCon"})[2]) == doctest::Approx(mean).epsilon(1e-12));
        }
        const auto networks = cells(out / "networks.csv"), outliers = cells(out / "fmnist-outliers.csv");
        CHECK(networks.at({"mean", "CAE + gradient: gradient"})[2] ==
              cells(out / "cifar10.csv").at({"mean", "gradient"})[2]);
        CHECK(networks.contains({"mean", "VAE: latent"}));
        CHECK(!networks.contains({"mean", "CAE: latent"}));
        CHECK(std::stod(outliers.at({"50 %", "GradCon"})[2]) ==
              doctest::Approx(std::stod(cells(out / "fmnist.csv").at({"mean", "GradCon"})[2])));
        const std::string conditions = read(out / "conditions.csv");
        CHECK(conditions.find("\"decolorization, 5\",gradient,0.5,") != std::string::npos); // the same images

        SUBCASE("what was trained on other images is not taken up") {
            auto others = arguments;
            others.insert(others.begin(), "mnist");
            std::ranges::replace(others, std::string("30"), std::string("31"));
            CHECK(wait_for(start(sets.path / "run", others)) == 1);
            const std::string said = read(sets.path / "run/said");
            CHECK_MESSAGE(said.find("trained on 30 images, now 31") != std::string::npos, said);
        }
    }

    TEST_CASE("killed again and again, it ends in the same bits") {
        const Folder sets;
        const auto arguments =
            options({"fmnist", "conditions", "--fmnist", "../idx", "--epochs", "4", "--images", "30"});
        REQUIRE(wait_for(start(sets.path / "whole", arguments)) == 0);
        const fs::path class_0 = "results/fmnist/cae+gradient/class-0-seed-0",
                       class_1 = "results/fmnist/cae+gradient/class-1-seed-0", killed = sets.path / "killed";
        for (const fs::path& moment : {class_0 / "checkpoint.safetensors", class_1 / "checkpoint.safetensors",
                                       class_0 / "scores-outliers.safetensors", fs::path("results/fmnist.csv"),
                                       class_0 / "scores-conditions.safetensors"}) {
            CHECK_MESSAGE(kill_when(killed / moment, start(killed, arguments)), moment.string());
            WARN_MESSAGE(!fs::exists(killed / "results/conditions.csv"), "killed too late to tell");
        }
        REQUIRE(wait_for(start(killed, arguments)) == 0);
        std::size_t files = 0;
        for (const auto& entry : fs::recursive_directory_iterator(sets.path / "whole/results")) {
            if (!entry.is_regular_file()) continue;
            const fs::path name = fs::relative(entry.path(), sets.path / "whole");
            CHECK_MESSAGE(read(entry.path()) == read(killed / name), name.string());
            ++files;
        }
        CHECK(files > 20);
    }

    TEST_CASE("errors name the rule and the option") {
        const Folder sets;
        const auto says = [&](const std::vector<std::string>& arguments, const std::string& expected) {
            CHECK(wait_for(start(sets.path / "run", arguments)) == 1);
            const std::string said = read(sets.path / "run/said");
            CHECK_MESSAGE(said.find(expected) != std::string::npos, said);
        };
        says({"cifar10"}, "cifar10 needs images: give their folder with --cifar10");
        says({"networks"}, "networks needs images: give their folder with --cifar10");
        says({"emnist"}, "there is no table emnist");
        says({"--classes", "1,1"}, "--classes takes each number once, not \"1,1\"");
        says({"--classes", "10"}, "--classes takes whole numbers up to 9");
        says({"--images", "19"}, "--images takes one number, 20 or more, not \"19\"");
        says({"--wrong", "1"}, "unknown option --wrong");
        says({"mnist", "--mnist", "nowhere"}, "nowhere");
    }
}
