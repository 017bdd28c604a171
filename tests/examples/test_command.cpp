// The command (examples/gradcon), run as its users run it, on pictures and tables made here. What it says of bad input
// is in test_command_faults.cpp.
#include "command.hpp"
#include "small_sets.hpp"

#include "../../examples/gradcon/readers/csv.hpp"
#include "../../examples/gradcon/readers/npy.hpp"
#include "../../examples/gradcon/readers/picture_file.hpp"
#include <gradcon/evaluation/metrics.hpp>
#include <gradcon/io/detector_file.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <thread>

using namespace command;

namespace {

Words names(const std::vector<Json>& scored) {
    Words all;
    for (const Json& line : scored) all.push_back(line["sample"]);
    return all;
}

std::vector<double> scores(const std::vector<Json>& scored) {
    std::vector<double> all;
    for (const Json& line : scored) all.push_back(line["score"]);
    return all;
}

std::ptrdiff_t alarms(const std::vector<Json>& scored) {
    return std::ranges::count_if(scored, [](const Json& line) { return line["anomalous"].get<bool>(); });
}

/// As a picture file of the kind that the name ends like.
void write_picture(const fs::path& path, const Picture& picture) {
    const std::size_t height = picture.shape()[0], width = picture.shape()[1], channels = picture.shape()[2];
    const auto value = [&](std::size_t y, std::size_t x, std::size_t c) {
        return int{picture(y, x, std::min(c, channels - 1))};
    };
    const std::string kind = path.extension();
    if (kind == ".jpg") {
        write(path, encoded::encode(encoded::Jpeg{.width = width, .height = height, .block = 1, .value = value}));
    } else if (kind == ".bmp") {
        Bytes bytes = encoded::bmp(static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height));
        for (std::size_t y = 0; y < height; ++y)
            for (std::size_t x = 0; x < 3 * width; ++x)
                bytes[54 + (height - 1 - y) * ((width * 3 + 3) / 4 * 4) + x] =
                    static_cast<std::uint8_t>(value(y, x / 3, 2 - x % 3));
        write(path, bytes);
    } else if (kind == ".pgm") {
        Bytes bytes = encoded::text(gradcon::message("P5\n", width, " ", height, "\n255\n"));
        for (std::size_t i = 0; i < height * width; ++i)
            bytes.push_back(static_cast<std::uint8_t>(value(i / width, i % width, 0)));
        write(path, bytes);
    } else {
        write_png(path, picture);
    }
}

/// The probability of `alarms` or more among `fresh` normal samples when the calibration's n allow for k of n + 1:
/// beta-binomial, as each calibration set has a rate of its own with a Beta(k, n + 1 - k) distribution.
double alarm_tail(std::size_t n, std::size_t k, std::size_t fresh, std::size_t alarms) {
    const auto log_beta = [](double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); };
    const double a = static_cast<double>(k), b = static_cast<double>(n + 1 - k), m = static_cast<double>(fresh);
    double tail = 0;
    for (std::size_t i = alarms; i <= fresh; ++i) {
        const double j = static_cast<double>(i);
        tail += std::exp(std::lgamma(m + 1) - std::lgamma(j + 1) - std::lgamma(m - j + 1) + log_beta(j + a, m - j + b) -
                         log_beta(a, b));
    }
    return tail;
}

/// Every tag of the page is closed, in the right order.
void check_balanced(const std::string& page) {
    const std::set<std::string> alone{"meta", "br", "img", "!DOCTYPE"};
    Words open;
    for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
        const std::size_t end = page.find('>', at);
        REQUIRE(end != std::string::npos);
        const bool closes = page[at + 1] == '/';
        const std::size_t first = at + 1 + closes;
        const std::string name = page.substr(first, page.find_first_of(" >/\n", first) - first);
        if (alone.contains(name) || page[end - 1] == '/') continue;
        if (!closes) {
            open.push_back(name);
            continue;
        }
        REQUIRE(!open.empty());
        REQUIRE(open.back() == name);
        open.pop_back();
    }
    CHECK(open.empty());
}

/// Waits until something is so. @return false when the program ended before
bool comes(pid_t child, const std::function<bool()>& so) {
    while (!so()) {
        siginfo_t ended{};
        if (waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == child)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

} // namespace

TEST_SUITE("command") {
    TEST_CASE("pictures of all kinds and sizes: table, CSV and JSON lines say what the library says") {
        const Place place;
        gradcon::Rng rng(1);
        const std::array<std::string, 5> kinds{".png", ".jpg", ".bmp", ".pgm", ".PNG"};
        const std::array<std::string, 3> folders{"normal", "normal/deep/deeper", "normal/größe 5"};
        for (std::size_t i = 0; i < 200; ++i)
            write_picture(place / folders[i % 3] / (std::to_string(i) + "ä" + kinds[i % 5]),
                          stripes(rng, false, 12 + i % 7, 11 + i % 11, i % 2 == 0 ? 3 : 1));
        write(place / "normal/read me.txt", encoded::text("no picture"));
        write(place / "normal/.hidden.png", encoded::text("no picture"));
        for (std::size_t i = 0; i < 30; ++i)
            write_picture(place / "odd" / (i == 0 ? "a \"b\", c.png" : std::to_string(i) + kinds[i % 5]),
                          stripes(rng, true, 10 + i, 16 + i, 3));
        const Run training = place.done({"train", "normal", "--model", "m", "--size", "16", "--channels", "1",
                                         "--width", "8", "--epochs", "10", "--false-alarm-rate", "0.05"});
        CHECK(contains(training.err, "140 train, 30 choose the best epoch, 30 calibrate"));
        CHECK(!fs::exists(place / "m.checkpoint"));

        const auto scored = lines(place.done({"score", "normal", "odd", "--model", "m", "--format", "jsonl"}).out);
        const auto detector = gradcon::io::load(place / "m");
        auto workspace = detector.workspace();
        Words expected;
        for (const char* folder : {"normal", "odd"})
            for (const fs::path& file : readers::find_pictures(place / folder))
                expected.push_back(fs::relative(file, place.path()).string());
        REQUIRE(names(scored) == expected);
        CHECK(scored.size() == 230);
        std::ptrdiff_t anomalous = 0;
        for (const Json& line : scored) {
            const Picture picture = readers::read_picture(place / line["sample"].get<std::string>());
            const gradcon::Verdict verdict = detector.score(gradcon::view_of(picture), workspace);
            CHECK(line["score"].get<double>() == doctest::Approx(verdict.score).epsilon(1e-8));
            CHECK(line["p_value"].get<double>() == verdict.p_value);
            CHECK(line["anomalous"] == verdict.anomalous);
            CHECK(line["reconstruction_error"].get<double>() ==
                  doctest::Approx(verdict.reconstruction_error).epsilon(1e-8));
            CHECK(line["cosine"].size() == detector.scorer().count());
            CHECK(line["cosine"][0].get<double>() == doctest::Approx(verdict.cosine[0]).epsilon(1e-8));
            anomalous += verdict.anomalous;
        }
        CHECK(std::ranges::count_if(scored.begin() + 200, scored.end(),
                                    [](const Json& line) { return line["anomalous"].get<bool>(); }) > 15);

        const Run table = place.done({"score", "normal", "odd", "--model", "m"});
        CHECK(std::ranges::count(table.out, '\n') == 231);
        CHECK(contains(table.err, gradcon::message("230 scored, ", anomalous, " anomalous (threshold ")));
        write(place / "scores.csv",
              encoded::text(place.done({"score", "normal", "odd", "--model", "m", "--format", "csv"}).out));
        const auto csv = readers::read_csv(place / "scores.csv", {.label = "sample"});
        CHECK(csv.labels == expected);
        CHECK(csv.columns[0] == "score");
        CHECK(csv.columns[4] == "cosine " + detector.trained().policy.names()[0]);
        std::istringstream rows(table.out);
        std::string row;
        std::getline(rows, row);
        for (std::size_t i = 0; i < scored.size(); ++i) {
            CHECK(csv.values[i * csv.width] == doctest::Approx(scored[i]["score"].get<double>()).epsilon(1e-8));
            CHECK(csv.values[i * csv.width + 1] == doctest::Approx(scored[i]["p_value"].get<double>()).epsilon(1e-8));
            CHECK(csv.values[i * csv.width + 2] == scored[i]["anomalous"].get<bool>());
            CHECK(csv.values[i * csv.width + 3] ==
                  doctest::Approx(scored[i]["reconstruction_error"].get<double>()).epsilon(1e-8));
            std::getline(rows, row);
            std::istringstream cells(row);
            double score = 0, p_value = 0;
            std::string verdict;
            cells >> score >> p_value >> verdict;
            CHECK(score == doctest::Approx(scored[i]["score"].get<double>()).epsilon(1e-5));
            CHECK(p_value == doctest::Approx(scored[i]["p_value"].get<double>()).epsilon(1e-3));
            CHECK(verdict == (scored[i]["anomalous"].get<bool>() ? "ANOMALOUS" : "normal"));
            CHECK(row.ends_with(expected[i]));
        }
        const std::string one =
            place.done({"score", "normal", "odd", "--model", "m", "--format", "jsonl", "--threads", "1"}).out;
        CHECK(one == place.done({"score", "normal", "odd", "--model", "m", "--format", "jsonl", "--threads", "3"}).out);

        CHECK(place.run({"score", "odd", "--model", "m", "--fail-on-anomaly"}).status == 1);
        CHECK(place.run({"score", "odd", "--model", "m", "--fail-on-anomaly", "--threshold", "1e9"}).status == 0);
        CHECK(place.run({"score", "odd", "--model", "m"}).status == 0);
        const Run strict = place.done({"score", "odd", "--model", "m", "--threshold", "-1e9"});
        CHECK(contains(strict.err, "30 scored, 30 anomalous (threshold -1e+09)"));
    }

    TEST_CASE("of fresh normal pictures as many are alarms as the calibration says") {
        const Place& place = trained();
        write_stripes(place / "others", 400, false, 11);
        write_stripes(place / "fresh", 500, false, 12);
        for (const double rate : {0.05, 0.1}) {
            const std::string text = gradcon::message(rate);
            const Run calibrating =
                place.done({"calibrate", "others", "--model", "m", "--out", "calibrated", "--false-alarm-rate", text});
            CHECK(contains(calibrating.err, "calibrated on 400 normal samples"));
            const gradcon::Calibration calibration = gradcon::io::load(place / "calibrated").calibration();
            REQUIRE(calibration.size() == 400);
            CHECK(calibration.false_alarm_rate() == rate);
            const auto scored = lines(place.done({"score", "fresh", "--model", "calibrated", "--format", "jsonl"}).out);
            const auto found = static_cast<std::size_t>(alarms(scored)), allowed = static_cast<std::size_t>(rate * 401);
            CHECK_MESSAGE(alarm_tail(400, allowed, 500, found) > 1e-4, found, " alarms, ", rate);
            CHECK_MESSAGE(1 - alarm_tail(400, allowed, 500, found + 1) > 1e-4, found, " alarms, ", rate);
            CHECK(found == std::ranges::count_if(
                               scored, [&](const Json& line) { return line["p_value"].get<double>() <= rate; }));
            // the rate can be chosen when scoring, too
            CHECK(alarms(lines(place
                                   .done({"score", "fresh", "--model", "calibrated", "--false-alarm-rate", "0.2",
                                          "--format", "jsonl"})
                                   .out)) > alarms(scored));
        }
    }

    TEST_CASE("a threshold of one's own, or of the best F1") {
        const Place& place = trained();
        write_stripes(place / "one", 20, false, 21);
        write_stripes(place / "across", 20, true, 22);
        place.done({"calibrate", "one", "--model", "m", "--out", "own", "--threshold", "2.5"});
        CHECK(gradcon::io::load(place / "own").calibration().threshold() == 2.5);
        CHECK(contains(place.done({"info", "--model", "own"}).out, "threshold 2.5\n"));
        const Run best = place.done({"calibrate", "one", "--model", "m", "--abnormal", "across", "--out", "best"});
        const auto normal = scores(lines(place.done({"score", "one", "--model", "m", "--format", "jsonl"}).out));
        auto all = scores(lines(place.done({"score", "across", "--model", "m", "--format", "jsonl"}).out));
        std::vector<std::uint8_t> anomalous(all.size(), 1);
        all.insert(all.end(), normal.begin(), normal.end());
        anomalous.resize(all.size(), 0);
        CHECK(gradcon::io::load(place / "best").calibration().threshold() ==
              doctest::Approx(gradcon::best_f1(all, anomalous).threshold).epsilon(1e-8));
        CHECK(contains(best.err, "best F1 "));
    }

    TEST_CASE("drift is named, and only then") {
        const Place& place = trained();
        write_stripes(place / "today", 500, false, 31);
        write_stripes(place / "later", 500, true, 32);
        CHECK(!contains(place.done({"score", "today", "--model", "m", "--drift"}).err, "drift"));
        CHECK(contains(place.done({"score", "today", "later", "--model", "m", "--drift"}).err, "calibrate it anew"));
    }

    TEST_CASE("evaluate: the figures are those of the scores; the page stands alone") {
        const Place& place = trained();
        write_stripes(place / "labelled/normal", 60, false, 41);
        write_stripes(place / "labelled/abnormal", 40, true, 42);
        write(place / "labelled/unsorted/broken.png", encoded::text("no picture"));
        const Run run =
            place.done({"evaluate", "labelled", "--model", "m", "--json", "figures.json", "--report", "page.html"});
        const Json json = Json::parse(read(place / "figures.json"));
        const auto normal = lines(place.done({"score", "labelled/normal", "--model", "m", "--format", "jsonl"}).out),
                   abnormal =
                       lines(place.done({"score", "labelled/abnormal", "--model", "m", "--format", "jsonl"}).out);
        auto all = scores(normal);
        std::vector<std::uint8_t> anomalous(all.size(), 0);
        const auto others = scores(abnormal);
        all.insert(all.end(), others.begin(), others.end());
        anomalous.resize(all.size(), 1);
        CHECK(json["auroc"].get<double>() == doctest::Approx(gradcon::auroc(all, anomalous)));
        CHECK(json["auroc"] > 0.9);
        CHECK(json["auroc_interval"][0] <= json["auroc"]);
        CHECK(json["auroc_interval"][1] >= json["auroc"]);
        CHECK(json["n_normal"] == 60);
        CHECK(json["n_abnormal"] == 40);
        CHECK(json["n_left_out"] == 0);
        CHECK(json["threshold"].get<double>() ==
              doctest::Approx(gradcon::io::load(place / "m").calibration().threshold()));
        CHECK(json["threshold_chosen_here"] == false);
        CHECK(json["false_alarm_rate"].get<double>() == doctest::Approx(static_cast<double>(alarms(normal)) / 60));
        CHECK(json["detection_rate"].get<double>() == doctest::Approx(static_cast<double>(alarms(abnormal)) / 40));
        CHECK(json["policy"] == "recommended");
        for (const char* policy : {"recommended", "reconstruction", "gradient", "gradcon", "code_distance"}) {
            CHECK_MESSAGE(json["policies"].contains(policy), json["policies"].dump());
            CHECK(json["policies"][policy]["n_normal"] == 60);
            CHECK(contains(run.out, policy));
        }
        CHECK(contains(run.out, "60 normal samples, 40 abnormal"));

        const std::string page = read(place / "page.html");
        check_balanced(page);
        for (const char* loads : {"http:", "https:", "url(", "<script", "<link", "@import"})
            CHECK_MESSAGE(!contains(page, loads), loads);
        CHECK(contains(page, "labelled/abnormal/0"));
        CHECK(contains(page, "data:image/png;base64,"));
        const Run chosen =
            place.done({"evaluate", "labelled", "--model", "m", "--threshold", "-1e9", "--json", "all.json"});
        CHECK(Json::parse(read(place / "all.json"))["false_alarm_rate"] == 1);
        CHECK(Json::parse(read(place / "all.json"))["detection_rate"] == 1);
    }

    TEST_CASE("killed and gone on with, training ends in the same bytes") {
        const Place place;
        write_stripes(place / "normal", 150, false, 51);
        const auto arguments = [](const char* model, Words more = {}) {
            const std::array words{"train", "normal",   "--model", model,       "--width",
                                   "8",     "--epochs", "150",     "--threads", "1"};
            more.insert(more.begin(), words.begin(), words.end());
            return more;
        };
        place.done(arguments("whole"));
        const std::string whole = read(place / "whole");
        pid_t child = place.start(arguments("killed"));
        REQUIRE(comes(child, [&] { return fs::exists(place / "killed.checkpoint"); }));
        kill(child, SIGKILL);
        CHECK(place.wait_for(child).status == -1);
        CHECK(!fs::exists(place / "killed"));

        const Run other_seed = place.run(arguments("killed", {"--resume", "--seed", "1"}));
        CHECK(other_seed.status == 3);
        CHECK_MESSAGE(contains(other_seed.err, "killed.checkpoint: "), other_seed.err);
        CHECK_MESSAGE(contains(other_seed.err, "--seed"), other_seed.err);
        CHECK(!fs::exists(place / "killed"));

        const auto before = fs::last_write_time(place / "killed.checkpoint");
        child = place.start(arguments("killed", {"--resume"}));
        REQUIRE(comes(child, [&] { return fs::last_write_time(place / "killed.checkpoint") != before; }));
        kill(child, SIGINT);
        const Run stopped = place.wait_for(child);
        CHECK(stopped.status == 130);
        CHECK_MESSAGE(contains(stopped.err, "going on after epoch "), stopped.err);
        CHECK_MESSAGE(contains(stopped.err, "which is in killed.checkpoint; the same command with --resume goes on"),
                      stopped.err);
        CHECK(!fs::exists(place / "killed"));

        place.done(arguments("killed", {"--resume"}));
        CHECK(read(place / "killed") == whole);
        CHECK(!fs::exists(place / "killed.checkpoint"));
        // fewer pictures are another training
        child = place.start(arguments("fewer"));
        REQUIRE(comes(child, [&] { return fs::exists(place / "fewer.checkpoint"); }));
        kill(child, SIGKILL);
        place.wait_for(child);
        fs::remove(place / "normal/007.png");
        const Run fewer = place.run(arguments("fewer", {"--resume"}));
        CHECK(fewer.status == 3);
        CHECK_MESSAGE(contains(fewer.err, "other samples"), fewer.err);
    }

    TEST_CASE("tables with labels: training never sees them, names count the file's lines, explain names columns") {
        const Place place;
        const std::string normal = table(300, false, 61, true), broken = table(20, true, 62, true);
        write(place / "all.csv", encoded::text(normal + broken.substr(broken.find('\n') + 1)));
        place.done({"train", "all.csv", "--label-column", "class", "--class", "good", "--model", "m", "--score",
                    "gradcon", "--epochs", "60", "--false-alarm-rate", "0.05"});
        CHECK(gradcon::io::load(place / "m").calibration().size() == 45);
        const Run info = place.done({"info", "--model", "m"});
        for (const char* part :
             {"input: 3 columns, windows of 1 rows, one every 1", "speed: mean ", "load: mean ", "heat: mean "})
            CHECK_MESSAGE(contains(info.out, part), info.out);
        CHECK(!contains(info.out, "class"));
        const auto scored =
            lines(place.done({"score", "all.csv", "--label-column", "class", "--model", "m", "--format", "jsonl"}).out);
        REQUIRE(scored.size() == 320);
        CHECK(scored[0]["sample"] == "all.csv:2");
        CHECK(scored[319]["sample"] == "all.csv:321");
        place.done({"evaluate", "all.csv", "--label-column", "class", "--model", "m", "--json", "figures.json",
                    "--report", "page.html"});
        const Json json = Json::parse(read(place / "figures.json"));
        CHECK(json["n_normal"] == 300);
        CHECK(json["n_abnormal"] == 20);
        CHECK(json["auroc"] > 0.8);
        check_balanced(read(place / "page.html"));
        place.done({"evaluate", "all.csv", "--label-column", "class", "--normal-label", "broken", "--model", "m",
                    "--json", "figures.json"});
        CHECK(Json::parse(read(place / "figures.json"))["auroc"].get<double>() ==
              doctest::Approx(1 - json["auroc"].get<double>()));

        write(place / "one.csv", encoded::text("speed,load,heat\n11,-200,2\n"));
        const Run why = place.done({"explain", "one.csv", "--model", "m"});
        std::istringstream rows(why.out);
        std::string row;
        std::getline(rows, row);
        std::getline(rows, row);
        CHECK_MESSAGE(row.starts_with("load  "), why.out); // the largest error comes first
        CHECK(contains(why.out, "one.csv:2: score "));
        CHECK(contains(why.out, "ANOMALOUS"));
        CHECK(place.run({"explain", "one.csv", "--model", "m", "--fail-on-anomaly"}).status == 1);

        std::string german = table(5, false, 63);
        std::ranges::replace(german, ',', '\t');
        write(place / "tabs.tsv", encoded::text(german));
        CHECK(lines(place.done({"score", "tabs.tsv", "--model", "m", "--format", "jsonl"}).out).size() == 5);
    }

    TEST_CASE("NumPy's arrays with labels beside them") {
        const Place place;
        gradcon::Rng rng(71);
        std::vector<double> values, labels;
        for (std::size_t i = 0; i < 120; ++i) {
            const double t = gradcon::standard_normal(rng);
            labels.push_back(i % 4 == 3 ? 7 : 0);
            for (const double sign : {1.0, i % 4 == 3 ? -1.0 : 1.0, 2.0, -1.0})
                values.push_back(sign * t + 0.1 * gradcon::standard_normal(rng));
        }
        readers::write_npy(place / "x.npy", std::array<std::size_t, 2>{120, 4}, values);
        readers::write_npy(place / "y.npy", std::array<std::size_t, 1>{120}, labels);
        const Run training = place.done({"train", "x.npy", "--labels", "y.npy", "--class", "0", "--model", "m",
                                         "--score", "gradcon", "--epochs", "200"});
        CHECK(contains(training.err, "63 train, 13 choose the best epoch, 14 calibrate"));
        CHECK(
            contains(training.err, "with 14 samples to calibrate with the false-alarm rate is 0.0667; 0.01 needs 99"));
        const auto scored = lines(place.done({"score", "x.npy", "--model", "m", "--format", "jsonl"}).out);
        REQUIRE(scored.size() == 120);
        CHECK(scored[0]["sample"] == "x.npy:1");
        place.done({"evaluate", "x.npy", "--labels", "y.npy", "--model", "m", "--json", "figures.json"});
        const Json json = Json::parse(read(place / "figures.json"));
        CHECK(json["n_abnormal"] == 30);
        const std::vector<std::uint8_t> anomalous(labels.begin(), labels.end());
        CHECK(json["auroc"].get<double>() == doctest::Approx(gradcon::auroc(scores(scored), anomalous)));
        CHECK(place.run({"score", "x.npy", "--labels", "x.npy", "--model", "m"}).status == 3);
    }

    TEST_CASE("a time series: the model keeps window and stride, and its parts follow one another") {
        const Place place;
        gradcon::Rng rng(81);
        std::string text = "a,b\n";
        for (int i = 0; i < 604; ++i)
            text += gradcon::message(std::sin(0.5 * i), ",", std::cos(0.5 * i) + 0.05 * gradcon::standard_normal(rng),
                                     "\n");
        write(place / "series.csv", encoded::text(text));
        const Run training =
            place.done({"train", "series.csv", "--window", "8", "--stride", "4", "--model", "m", "--epochs", "20"});
        CHECK(contains(training.err, "105 train, 22 choose the best epoch, 23 calibrate")); // 150 windows
        CHECK(contains(place.done({"info", "--model", "m"}).out, "input: 2 columns, windows of 8 rows, one every 4"));
        const auto scored = lines(place.done({"score", "series.csv", "--model", "m", "--format", "jsonl"}).out);
        REQUIRE(scored.size() == 150);
        CHECK(scored[1]["sample"] == "series.csv:6"); // the line of its first row
        const auto kept = gradcon::io::load(place / "m").calibration().normal_scores();
        auto last = scores(std::vector<Json>(scored.begin() + 127, scored.end()));
        std::ranges::sort(last);
        REQUIRE(kept.size() == last.size());
        for (std::size_t i = 0; i < last.size(); ++i) CHECK(kept[i] == doctest::Approx(last[i]).epsilon(1e-6));
        CHECK(contains(place.done({"explain", "series.csv", "--model", "m"}).out, "b [7] "));
    }

    TEST_CASE("image sets: IDX and CIFAR-10") {
        const Place place;
        make_idx_set(place / "idx", 12);
        make_cifar10_set(place / "cifar");
        place.done(
            {"train", "idx/train-images-idx3-ubyte", "--class", "0", "--model", "m", "--width", "8", "--epochs", "5"});
        CHECK(contains(place.done({"info", "--model", "m"}).out, "input: pictures as 12 x 12 x 1 (gray)"));
        const auto scored =
            lines(place.done({"score", "idx/t10k-images-idx3-ubyte", "--model", "m", "--format", "jsonl"}).out);
        REQUIRE(scored.size() == 120);
        CHECK(scored[3]["sample"] == "idx/t10k-images-idx3-ubyte:3");
        place.done({"evaluate", "idx/t10k-images-idx3-ubyte", "--model", "m", "--json", "figures.json", "--report",
                    "page.html"});
        CHECK(Json::parse(read(place / "figures.json"))["auroc"] == 1);
        place.done({"evaluate", "idx/t10k-images-idx3-ubyte", "--normal-label", "1", "--model", "m", "--json",
                    "figures.json"});
        CHECK(Json::parse(read(place / "figures.json"))["auroc"] == 0);

        place.done({"train", "cifar/data_batch_1.bin", "cifar/data_batch_2.bin", "--class", "1", "--size", "16",
                    "--model", "c", "--width", "8", "--epochs", "5"});
        CHECK(contains(place.done({"info", "--model", "c"}).out, "input: pictures as 16 x 16 x 3 (red first)"));
        CHECK(gradcon::io::load(place / "c").calibration().size() == 6);
        place.done(
            {"evaluate", "cifar/test_batch.bin", "--normal-label", "1", "--model", "c", "--json", "figures.json"});
        CHECK(Json::parse(read(place / "figures.json"))["auroc"] == 1);
        const Run none = place.run({"train", "cifar/data_batch_1.bin", "--class", "7", "--model", "none"});
        CHECK(none.status == 3);
        CHECK(contains(none.err, "no image has the label 7"));
    }

    TEST_CASE("a list on standard input is scored as it comes; bad files can be named and left out") {
        const Place& place = trained();
        write_stripes(place / "listed", 5, false, 91);
        write(place / "listed/bad.png", encoded::text("no picture"));
        const std::string list = "listed/000.png\r\n\nlisted/bad.png\nlisted/nowhere.png\nlisted/004.png";
        const Run stopped = place.run({"score", "-", "--model", "m"}, list);
        CHECK(stopped.status == 3);
        CHECK(contains(stopped.err, "gradcon: listed/bad.png: ")); // the first bad one, after what is before it
        CHECK(contains(stopped.out, "listed/000.png"));
        const Run run = place.done({"score", "-", "--model", "m", "--keep-going", "--format", "jsonl"}, list);
        CHECK(names(lines(run.out)) == Words{"listed/000.png", "listed/004.png"});
        CHECK(contains(run.err, "left out: listed/bad.png: neither PNG, JPEG"));
        CHECK(contains(run.err, "left out: listed/nowhere.png: no such file"));
        CHECK(contains(run.err, "2 scored, "));
        CHECK(contains(run.err, ", 2 left out"));
        CHECK(contains(
            place.done({"train", "normal", "listed", "--keep-going", "--model", "new", "--width", "8", "--epochs", "1"})
                .err,
            "1 of 206 left out"));
        CHECK(
            contains(place.done({"calibrate", "normal", "listed", "--keep-going", "--model", "m", "--out", "new"}).err,
                     "calibrated on 205 normal samples"));

        // who sends names one at a time gets each score before sending the next
        REQUIRE(mkfifo((place / "pipe").c_str(), 0600) == 0);
        const pid_t child = place.start({"score", "-", "--model", "m", "--format", "jsonl"}, "", "pipe");
        std::ofstream pipe(place / "pipe");
        for (std::size_t sent = 1; sent <= 3; ++sent) {
            pipe << "listed/00" << sent << ".png" << std::endl;
            for (int wait = 0;
                 wait < 5000 && std::ranges::count(read(place / "said/out"), '\n') < static_cast<int>(sent); ++wait)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            CHECK(std::ranges::count(read(place / "said/out"), '\n') == static_cast<int>(sent));
        }
        pipe.close();
        CHECK(place.wait_for(child).status == 0);
    }

    TEST_CASE("explain, info, selftest, help and version") {
        const Place& place = trained();
        write_stripes(place / "why", 1, true, 95);
        const Run why = place.done({"explain", "why/000.png", "--model", "m", "--out", "why.png"});
        CHECK(contains(why.out, "why/000.png: score "));
        CHECK(contains(why.out, "ANOMALOUS"));
        const Picture sheet = readers::read_picture(place / "why.png");
        CHECK(sheet.shape()[0] == 256 + 2 * 8);
        CHECK(sheet.shape()[1] == 4 * (256 + 8) + 8);
        CHECK(contains(place.done({"explain", "why/000.png", "--model", "m"}).out, "why/000.png: score "));

        const Run info = place.done({"info", "--model", "m"});
        for (const char* part : {"checksum right", "input: pictures as 16 x 16 x 1 (gray)",
                                 "encoder:", "decoder:", "Conv2d", "policy: alpha 0.03, beta 0.12",
                                 "calibration: 30 normal samples, threshold ", "epochs: 10", "seed: 0", "samples: 140"})
            CHECK_MESSAGE(contains(info.out, part), part, " is not in: ", info.out);
        CHECK(contains(place.done({"selftest", "--model", "m"}).out,
                       "two samples score as they did where the model was saved"));
        CHECK(contains(place.done({"--version"}).out, "0.1."));
        for (const char* name : {"train", "calibrate", "score", "evaluate", "explain", "info", "selftest"}) {
            CHECK(contains(place.done({"--help"}).out, name));
            CHECK(contains(place.done({name, "--help"}).out, "--model"));
        }
    }
}
