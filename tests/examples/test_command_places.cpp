// The command on pictures whose defects are a few places of many: models of locations, in MVTec AD's layout.
#include "command.hpp"
#include "surface_pictures.hpp"
#include "tiny_onnx.hpp"

#include "../../examples/gradcon/readers/picture_file.hpp"
#include <gradcon/evaluation/metrics.hpp>

#include <algorithm>
#include <array>

using namespace command;
using namespace made_surfaces;

namespace {

void write_surface(const fs::path& path, const Pixels& pixels) {
    Picture picture;
    picture.resize({picture_height, picture_width, 1});
    std::ranges::copy(pixels, picture.data());
    write_png(path, picture);
}

/// 1 where the flaw is, which surface() leaves at its usual place.
Pixels flaw_mask() {
    Pixels mask(picture_height * picture_width);
    for (std::size_t y = 30; y < 40; ++y)
        for (std::size_t x = 44; x < 54; ++x) mask[y * picture_width + x] = 255;
    return mask;
}

void write_mvtec(const fs::path& root, std::size_t normal, std::size_t test) {
    gradcon::Rng rng(5);
    const auto name = [](std::size_t i) { return std::to_string(100 + i) + ".png"; };
    for (std::size_t i = 0; i < normal; ++i) write_surface(root / "train/good" / name(i), surface(rng));
    for (std::size_t i = 0; i < test; ++i) write_surface(root / "test/good" / name(i), surface(rng));
    for (const char* defect : {"hole", "spot"})
        for (std::size_t i = 0; i < test; ++i) {
            write_surface(root / "test" / defect / name(i), surface(rng, true));
            if (defect == std::string("hole"))
                write_surface(root / "ground_truth/hole" / ("1" + name(i).substr(1, 2) + "_mask.png"), flaw_mask());
        }
}

const Words small{"--patch-size", "4", "--scales", "2", "--patch-stride", "4", "--locations", "2000", "--epochs", "3"};

Words with(Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

/// A place with the folder "parts" and the model "m" of its good ones, trained once.
const Place& inspected() {
    struct Inspected : Place {
        Inspected() {
            write_mvtec(*this / "parts", 140, 12);
            done(with({"train", "parts", "--model", "m", "--features", "patches", "--false-alarm-rate", "0.1"}, small));
        }
    };
    static const Inspected place;
    return place;
}

/// Columns 44 to 53 and rows 30 to 39 are the flaw.
bool touches_flaw(const Json& region) {
    const auto box = region["box"].get<std::array<int, 4>>();
    return box[0] < 54 && box[2] > 44 && box[1] < 40 && box[3] > 30;
}

} // namespace

TEST_SUITE("places") {
    TEST_CASE("a folder of good parts in, flaws and their places out") {
        const Place& place = inspected();
        const auto scored = lines(place.done({"score", "parts", "--model", "m", "--format", "jsonl"}).out);
        REQUIRE(scored.size() == 36); // of test alone, neither training pictures nor masks
        std::size_t found = 0, alarms = 0;
        for (const Json& line : scored) {
            const bool good = contains(line["sample"], "/good/");
            CHECK(line["anomalous"].get<bool>() == (line["p_value"].get<double>() <= 0.1));
            if (good) alarms += line["anomalous"].get<bool>();
            else {
                CHECK(line["anomalous"].get<bool>());
                found += std::ranges::any_of(line["regions"], touches_flaw);
            }
            for (const Json& region : line["regions"]) CHECK(region["p_value"].get<double>() <= 0.1);
        }
        CHECK(found == 24);
        CHECK(alarms <= 5); // of 12; 5 of 1,000 calibrations of 21 pictures have more

        const std::string csv = place.done({"score", "parts/test/hole", "--model", "m", "--format", "csv"}).out;
        CHECK(csv.starts_with("sample,score,p_value,anomalous,regions,boxes\nparts/test/hole/100.png,"));
        CHECK(std::ranges::count(csv, '\n') == 13);
        CHECK(contains(place.done({"score", "parts/test/hole", "--model", "m"}).out, "regions"));
    }

    TEST_CASE("any number of threads gives the same lines") {
        const Place& place = inspected();
        const Words words{"score", "parts", "--model", "m", "--format", "jsonl", "--threads"};
        const std::string one = place.done(with(words, {"1"})).out;
        for (const char* threads : {"2", "3", "8"}) CHECK(place.done(with(words, {threads})).out == one);
    }

    TEST_CASE("evaluate: figures of pictures, kinds and pixels are those of the scores; the page has maps") {
        const Place& place = inspected();
        const Run run = place.done({"evaluate", "parts", "--model", "m", "--json", "e.json", "--report", "e.html"});
        std::vector<double> scores;
        std::vector<std::uint8_t> anomalous;
        for (const Json& line : lines(place.done({"score", "parts", "--model", "m", "--format", "jsonl"}).out)) {
            scores.push_back(line["score"]);
            anomalous.push_back(contains(line["sample"], "/good/") ? 0 : 1);
        }
        const Json json = Json::parse(read(place / "e.json"));
        CHECK(json["auroc"].get<double>() == doctest::Approx(gradcon::auroc(scores, anomalous)));
        CHECK(json["n_normal"] == 12);
        CHECK(json["defects"]["hole"]["n"] == 12);
        CHECK(json["defects"]["spot"]["found"] == 12);
        CHECK(json["pixels"]["n_pictures"] == 24); // spots have no masks
        CHECK(json["pixels"]["n_defects"] == 12);
        CHECK(json["pixels"]["auroc"].get<double>() > 0.9);
        CHECK(json["pixels"]["aupro"].get<double>() > 0.7);
        CHECK(contains(run.out, "AUPRO up to .3 false positives"));
        const std::string page = read(place / "e.html");
        CHECK(contains(page, "Kinds of defects"));
        CHECK(contains(page, "data:image/png;base64,"));
        CHECK(!contains(page, "How the gradients align"));
        // the test folder itself is understood too
        place.done({"evaluate", "parts/test", "--model", "m", "--json", "f.json"});
        CHECK(Json::parse(read(place / "f.json")) == json);
    }

    TEST_CASE("maps are pictures of the scores; explain names the regions") {
        const Place& place = inspected();
        place.done({"score", "parts/test/hole", "parts/test/spot", "--model", "m", "--maps", "maps"});
        std::size_t files = 0;
        for (const auto& entry : fs::directory_iterator(place / "maps")) {
            const auto sheet = readers::read_picture(entry.path());
            CHECK(sheet.shape()[2] == 3);
            CHECK(sheet.shape()[1] > sheet.shape()[0] * 2); // two panels and a bar
            ++files;
        }
        CHECK(files == 24);
        CHECK(fs::exists(place / "maps/hole-100.png"));
        const Run run = place.done({"explain", "parts/test/hole/100.png", "--model", "m", "--out", "why.png"});
        CHECK(contains(run.out, "ANOMALOUS"));
        CHECK(contains(run.out, "columns "));
        CHECK(readers::read_picture(place / "why.png").shape()[2] == 3);
    }

    TEST_CASE("calibrate, info and selftest take models of places") {
        const Place& place = inspected();
        place.done({"calibrate", "parts/test/good", "--model", "m", "--out", "n", "--false-alarm-rate", "0.2"});
        const std::string info = place.done({"info", "--model", "n"}).out;
        for (const char* part : {"scales: 2", "stride: 4", "calibration: 12 normal",
                                 "calibration of regions: 12 normal", "false-alarm rate of 0.2"})
            CHECK(contains(info, part));
        CHECK(contains(place.done({"selftest", "--model", "n"}).out, "score as they did"));
    }

    TEST_CASE("larger pictures get places by default, small ones and --whole do not") {
        const Place place;
        write_mvtec(place / "parts", 24, 0);
        const Words quick{"--epochs", "1", "--locations", "1000", "--patch-stride", "16", "--scales", "2"};
        CHECK(
            contains(place.done(with({"train", "parts", "--model", "places"}, quick)).err, "--features NETWORK.onnx"));
        CHECK(contains(place.done({"info", "--model", "places"}).out, "features: patches"));
        place.done({"train", "parts", "--model", "whole", "--whole", "--epochs", "1", "--width", "4"});
        CHECK(contains(place.done({"info", "--model", "whole"}).out, "pictures as 51 x 64 x 1"));
        write_stripes(place / "small", 24, false, 1);
        place.done({"train", "small", "--model", "s", "--epochs", "1", "--width", "4"});
        CHECK(contains(place.done({"info", "--model", "s"}).out, "pictures as 16 x 16 x 1"));
    }

    TEST_CASE("an area: flaws elsewhere do not count") {
        const Place place;
        write_mvtec(place / "parts", 140, 4);
        Picture left; // the flaws are in the right half
        left.resize({2, 2, 1});
        left(0, 0, 0) = left(1, 0, 0) = 255;
        left(0, 1, 0) = left(1, 1, 0) = 0;
        write_png(place / "left.png", left);
        place.done(with({"train", "parts", "--model", "m", "--features", "patches", "--area", "left.png",
                         "--false-alarm-rate", "0.1"},
                        small));
        std::size_t alarms = 0;
        for (const Json& line : lines(place.done({"score", "parts", "--model", "m", "--format", "jsonl"}).out))
            alarms += line["anomalous"].get<bool>();
        CHECK(alarms <= 6); // of 12, all as normal as they come: 1 of 1,000 calibrations has more
        CHECK(contains(place.done({"info", "--model", "m"}).out, "area: 50.0 % of a mask of 2 x 2 pixels"));
        std::ranges::fill(left, std::uint8_t{0});
        write_png(place / "black.png", left);
        const Run run = place.run({"train", "parts", "--features", "patches", "--area", "black.png"});
        CHECK(run.status == 3);
        CHECK(contains(run.err, "black.png: Area: no pixel is inside"));
    }

    TEST_CASE("what cannot be is refused by name, and nothing is written") {
        const Place& place = inspected();
        write(place / "no network.onnx", encoded::text("no network"));
        write_surface(place / "wrong/test/good/1.png", Pixels(picture_height * picture_width));
        write_surface(place / "wrong/test/good/2.png", Pixels(picture_height * picture_width));
        write_surface(place / "wrong/test/hole/1.png", Pixels(picture_height * picture_width));
        write_surface(place / "wrong/test/hole/2.png", Pixels(picture_height * picture_width));
        write_png(place / "wrong/ground_truth/hole/1_mask.png", stripes(*std::make_unique<gradcon::Rng>(1), false));
        write_stripes(place / "little", 30, false, 1);
        struct Refused {
            Words words;
            int status;
            std::string says;
        };
        const Words patches{"--features", "patches"};
        for (const Refused& r : std::vector<Refused>{
                 {with({"train", "parts", "--whole"}, patches), 2, "--whole and --features"},
                 {with({"train", "parts", "--width", "8"}, patches), 2, "--width is for --whole"},
                 {with({"train", "parts", "--resume"}, patches), 2, "--resume is for --whole"},
                 {with({"train", "parts", "--size", "64"}, patches), 2, "patches have --patch-size"},
                 {with({"train", "parts", "--layers", "a"}, patches), 2, "--layers is for networks"},
                 {with({"train", "parts", "--false-alarm-rate", "0.001"}, patches), 3, "needs 999 normal samples"},
                 {with({"train", "parts/test/good"}, patches), 3,
                  "training needs 20 normal samples or more; there are 12"},
                 {with({"train", "little"}, patches), 3, "smaller than the largest patch"},
                 {{"train", "parts", "--features", "absent.onnx", "--layers", "a"}, 3, "absent.onnx"},
                 {{"train", "parts", "--features", "no network.onnx", "--layers", "a"}, 3, "no network.onnx: "},
                 {{"calibrate", "parts", "--model", "m"}, 3, "parts: this folder has normal and abnormal pictures"},
                 {{"evaluate", "wrong", "--model", "m"},
                  3,
                  "1_mask.png: a mask of 16 x 16 pixels, its picture has 64 x 80"},
                 {{"score", "little", "--model", "m", "--threshold", "nan"}, 2, "threshold"},
             }) {
            CAPTURE(r.says);
            const Run run = place.run(with(r.words, {"--model", "refused"}));
            const Run as_is = r.words[0] == "train" ? run : place.run(r.words);
            CHECK(as_is.status == r.status);
            CHECK_MESSAGE(contains(as_is.err, r.says), as_is.err);
            CHECK(!fs::exists(place / "refused"));
        }
        CHECK(place.run({"score", "little", "--model", "m", "--maps", "m"}).status == 3); // m is no folder
    }

#ifdef GRADCON_OPENCV_DNN
    TEST_CASE("features of a network: the model is for that network alone") {
        const Place place;
        write_mvtec(place / "parts", 140, 12);
        gradcon::Rng rng(1);
        const auto network = [&](const char* name) {
            write(place / name, encoded::text(tiny_onnx::convolution(8, random_values<float>(8 * 27, rng),
                                                                     random_values<float>(8, rng))));
        };
        network("a.onnx");
        network("b.onnx");
        place.done({"train",
                    "parts",
                    "--model",
                    "m",
                    "--features",
                    "a.onnx",
                    "--layers",
                    "features",
                    "--size",
                    "16x16",
                    "--margin",
                    "0",
                    "--false-alarm-rate",
                    "0.1",
                    "--locations",
                    "1000",
                    "--epochs",
                    "2",
                    "--mean",
                    "0.5,0.4,0.3",
                    "--deviation",
                    "0.2,0.2,0.2"});
        const std::string info = place.done({"info", "--model", "m"}).out;
        for (const char* part :
             {"layer 1: features", "input size: 16 16", "mean: 0.5 0.4 0.3", "deviation: 0.2 0.2 0.2"})
            CHECK(contains(info, part));
        const auto before = place.done({"score", "parts", "--model", "m", "--format", "csv"}).out;
        fs::rename(place / "a.onnx", place / "moved.onnx");
        const Run absent = place.run({"score", "parts", "--model", "m"});
        CHECK(absent.status == 3);
        CHECK(contains(absent.err, "--network names another place"));
        CHECK(place.done({"score", "parts", "--model", "m", "--format", "csv", "--network", "moved.onnx"}).out ==
              before);
        const Run other = place.run({"score", "parts", "--model", "m", "--network", "b.onnx"});
        CHECK(other.status == 3);
        CHECK(contains(other.err, "trained with features of another kind: checksum"));
        const Run layer = place.run({"train", "parts", "--features", "b.onnx", "--layers", "absent"});
        CHECK(layer.status == 3);
        CHECK(contains(layer.err, "b.onnx: OpenCvDnn: the network has no layer absent; it has"));
    }
#endif
}
