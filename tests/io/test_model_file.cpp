#include "edit_file.hpp"
#include "random_detector.hpp"

#include <gradcon/io/detector_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace gradcon;

namespace {

auto small() { return random_detector(models::cae({.height = 5, .width = 6, .widths = {3}}), {7, 5, 6, 1}); }

template <class T, class Images>
std::vector<double> scores_of(const TrainedModel<T>& detector, const Images& images) {
    SerialExecutor serial;
    return score_each(Scorer{detector.model, detector.params, detector.policy}, Batch<T>(images), serial).score();
}

/// A variational autoencoder for the same images.
auto variational() {
    const Conv2d down{1, 3, {.kernel_size = 4, .stride = 2, .padding = 2}};
    const ConvTranspose2d up{3, 1, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = {1, 0}}};
    return random_detector(Autoencoder{Chain{{down, ReLU{}, Flatten{}, Linear{36, 8}}},
                                       Chain{{Linear{4, 36}, Unflatten{3, 4, 3}, ReLU{}, up, Sigmoid{}}},
                                       Latent::gaussian(4)},
                           {7, 5, 6, 1});
}

} // namespace

TEST_SUITE("model file") {
    TEST_CASE_TEMPLATE("a loaded model scores bit for bit as the saved one", T, float, double) {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const GradConOptions options{.alpha = 0.1, .beta = 1.0 / 3};
        auto t = random_detector<T>(models::cae({.height = 5, .width = 6, .channels = 2, .widths = {3, 4}}),
                                    {7, 5, 6, 2}, options);
        io::save_model(path, t.model, t.params, t.policy);
        const auto loaded = io::load_trained<T>(path);
        CHECK(scores_of(loaded, t.images) == t.scores());
        CHECK(loaded.policy.options().beta == options.beta);
        CHECK(loaded.policy.reference().updates() == t.policy.reference().updates());
        CHECK(std::ranges::equal(loaded.policy.reference().exact(1), t.policy.reference().exact(1)));
        CHECK(scores_of(io::load_trained<double>(path), random_images<double>({1, 5, 6, 2}, *std::make_unique<Rng>(1)))
                  .size() == 1);
    }

    TEST_CASE("the paper's network, loaded into the given model and into a chain; an MLP with all layers") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = random_detector(models::paper_cae(1), {5, 28, 28, 1});
        io::save_model(path, t.model, t.params, t.policy);
        auto other = random_detector(models::paper_cae(1), {3, 28, 28, 1});
        io::load_model(path, other.model, other.params, other.policy);
        other.images = t.images;
        CHECK(other.scores() == t.scores());
        CHECK(scores_of(io::load_trained<float>(path), t.images) == t.scores());

        const Autoencoder mlp{Sequential{Flatten{}, Linear{12, 5}, LeakyReLU{0.3}},
                              Sequential{Linear{5, 12}, Tanh{}, Unflatten{2, 3, 2}, Sigmoid{}}};
        auto m = random_detector(mlp, {6, 2, 3, 2});
        io::save_model(path, m.model, m.params, m.policy);
        CHECK(scores_of(io::load_trained<float>(path), m.images) == m.scores());
        auto wrong = random_detector(models::paper_cae(1), {3, 28, 28, 1});
        const auto before = wrong.scores();
        CHECK(throws_naming<FileError>([&] { io::load_model(path, wrong.model, wrong.params, wrong.policy); },
                                       {"encoder", "Flatten", "Conv2d"}));
        CHECK(wrong.scores() == before);
    }

    TEST_CASE("a variational autoencoder, loaded into a chain and into the given model, and not taken for another") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = variational(), other = variational();
        fill(other.params, 0.01);
        io::save_model(path, t.model, t.params, t.policy);
        CHECK(io::read_safetensors(path).metadata().at("format_version") == "2");
        const auto loaded = io::load_trained<float>(path);
        CHECK(loaded.model.latent == t.model.latent);
        SerialExecutor serial;
        const auto all = [&](const auto& d) {
            return score_each(Scorer{d.model, d.params, d.policy}, t.images, serial);
        };
        CHECK(all(loaded).score() == all(t).score());
        CHECK(all(loaded)[Statistic::latent_divergence] == all(t)[Statistic::latent_divergence]);
        io::load_model(path, other.model, other.params, other.policy);
        CHECK(all(other).score() == all(t).score());

        // Of the same layers, but with another latent, or none.
        auto plain = t.model, wide = t.model;
        plain.latent = {};
        wide.latent = Latent::gaussian(3);
        const auto refused = [&](const auto& model, std::initializer_list<std::string_view> parts) {
            CHECK(throws_naming<FileError>([&] { io::load_model(path, model, other.params, other.policy); }, parts));
        };
        refused(plain, {"its latent is [{", "Gaussian", "the model's none"});
        refused(wide, {"latent", "\"size\":4", "\"size\":3"});
        io::save_model(path, plain, t.params, t.policy);
        CHECK(io::read_safetensors(path).metadata().at("format_version") == "1");
        refused(t.model, {"its latent is none", "Gaussian"});

        // A size that does not fit the layers is noticed when images come.
        io::save_model(path, wide, t.params, t.policy);
        CHECK(throws_naming<ShapeError>([&] { all(io::load_trained<float>(path)); },
                                        {"latent of 3 values", "x 6", "x 8"}));
    }

    TEST_CASE("what could not be read again is not saved") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small();
        io::save_model(path, t.model, t.params, t.policy);
        const auto before = io::read_file(path);
        for_each_tensor([](auto& tensor) { tensor.data()[0] = std::numeric_limits<float>::infinity(); }, t.params);
        CHECK(throws_naming<ValueError>([&] { io::save_model(path, t.model, t.params, t.policy); },
                                        {"down.0.weight", "inf"}));
        CHECK(io::read_file(path) == before);
    }

    TEST_CASE("names and layouts are PyTorch's") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = random_detector(models::paper_cae(1), {2, 28, 28, 1});
        io::save_model(path, t.model, t.params, t.policy);
        const auto file = io::read_safetensors(path);
        CHECK(file.at("down.2.weight").shape == std::vector<std::size_t>{32, 32, 4, 4});
        CHECK(file.at("down.0.weight").shape == std::vector<std::size_t>{32, 1, 4, 4});
        CHECK(file.at("up.2.weight").shape == std::vector<std::size_t>{64, 32, 4, 4}); // [in, out, k, k]
        CHECK(file.at("ref.1").shape == file.at("up.2.weight").shape);
        CHECK(file.entries().size() == 16 + 4);
        const auto& ours = std::get<2>(t.params.encoder.layers).weight; // [k, k, in, out]
        const auto theirs = file.values<float>("down.2.weight");
        CHECK(theirs[((5 * 32 + 7) * 4 + 1) * 4 + 3] == ours(1, 3, 7, 5));
        const auto& ours_up = std::get<2>(t.params.decoder.layers).weight; // [k, k, out, in]
        CHECK(file.values<float>("up.2.weight")[((50 * 32 + 7) * 4 + 1) * 4 + 3] == ours_up(1, 3, 7, 50));
    }

    TEST_CASE("what is wrong with a file is said by name, and nothing is changed") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small();
        const auto refused = [&](const auto& edit, std::initializer_list<std::string_view> parts) {
            io::save_model(path, t.model, t.params, t.policy);
            edit_file(path, edit);
            INFO(*parts.begin());
            auto into = small();
            const auto before = into.scores();
            CHECK(throws_naming<FileError>([&] { io::load_trained<float>(path); }, parts));
            CHECK_THROWS_AS(io::load_model(path, into.model, into.params, into.policy), FileError);
            CHECK(into.scores() == before);
        };
        const auto poison = [](const char* name, float value) {
            return [=](auto&, auto& tensors) {
                for (auto& tensor : tensors)
                    if (tensor.name == name) std::memcpy(tensor.bytes.data(), &value, 4);
            };
        };
        refused(set_metadata("format", "other"), {"format \"other\"", "not \"gradcon\""});
        refused(set_metadata("format_version", "4"), {"version 4 is newer", "up to 3"});
        refused(set_metadata("format_version", "one"), {"format_version", "one"});
        refused(set_metadata("encoder", "[{"), {"metadata encoder", "JSON objects"});
        refused(set_metadata("encoder", std::string(100'000, '[')), {"metadata encoder", "JSON objects"});
        refused(set_metadata("encoder", "{}"), {"metadata encoder"});
        for (const char* latent :
             {"[]", "[{", "{}", "[{},{}]", R"([{"type":"Cauchy","size":4}])", R"([{"size":4}])",
              R"([{"type":"Gaussian"}])", R"([{"type":"Gaussian","size":0}])", R"([{"type":"Gaussian","size":-4}])",
              R"([{"type":"Gaussian","size":99999999999}])", R"([{"type":"Gaussian","size":"4"}])"})
            refused(set_metadata("latent", latent), {"metadata latent"});
        refused(set_metadata("policy", "[{},{}]"), {"policy must be one object"});
        refused(set_metadata("encoder", R"([{"type":"GRU"}])"), {"down.0", "GRU"});
        refused(replace_in_metadata("encoder", "\"stride\":2", "\"stride\":0"), {"down.0", "stride 0"});
        refused(replace_in_metadata("encoder", "\"stride\":2", "\"stride\":-2"),
                {"down.0", "stride must be a whole number", "-2"});
        refused(replace_in_metadata("encoder", "\"stride\":2", "\"stride\":2,\"dilation\":2"),
                {"unknown keys", "dilation"});
        refused(replace_in_metadata("encoder", "\"stride\":2,", ""), {"lacks stride"});
        refused(replace_in_metadata("encoder", "\"out_channels\":3", "\"out_channels\":1000000"),
                {"down.0", "needs a weight of shape"});
        refused(replace_in_metadata("decoder", "ConvTranspose2d", "Conv2d"), {"up.0"});
        refused(replace_in_metadata("policy", "\"beta\":0.12", "\"beta\":-1"), {"policy", "beta", "-1"});
        refused(replace_in_metadata("policy", "\"beta\":0.12", "\"beta\":\"x\""), {"policy"});
        refused(replace_in_metadata("policy", "running_mean", "median"), {"policy", "median"});
        refused(replace_in_metadata("policy", "0.weight", "9.weight"), {"policy"});
        refused(replace_in_metadata("policy", "\"updates\":", "\"updates\":-"), {"policy"});
        refused(poison("down.0.weight", std::numeric_limits<float>::quiet_NaN()), {"down.0.weight", "nan"});
        refused(poison("up.0.bias", std::numeric_limits<float>::infinity()), {"up.0.bias", "inf"});
        refused([](auto&, auto& tensors) { tensors.pop_back(); }, {"ref.0 is missing"});
        refused([](auto&, auto& tensors) { tensors.erase(tensors.begin()); }, {"down.0.weight is missing"});
        refused(
            [](auto&, auto& tensors) {
                tensors.push_back({"extra", io::DType::u8, {1}, {std::byte{1}}});
            },
            {"unexpected tensor extra"});
        refused([](auto&, auto& tensors) { std::swap(tensors[0].shape[2], tensors[0].shape[0]); }, {"down.0"});
        refused([](auto&, auto& tensors) { tensors[1].dtype = io::DType::i32; }, {"down.0.bias", "F32 or F64", "I32"});
        refused([](auto& metadata, auto&) { metadata.erase("policy"); }, {"metadata lacks policy"});
    }

    TEST_CASE("an all-zero reference, and none yet, load") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small();
        auto fresh = GradCon{t.params.decoder, {}};
        io::save_model(path, t.model, t.params, fresh);
        CHECK(io::load_trained<float>(path).policy.reference().updates() == 0);
        fresh.reference().restore({std::vector<double>(fresh.reference().exact(0).size())}, 5);
        io::save_model(path, t.model, t.params, fresh);
        const auto scores = scores_of(io::load_trained<float>(path), t.images);
        CHECK(std::ranges::all_of(scores, [](double s) { return is_finite(s); }));
    }

    TEST_CASE("truncation at every byte and every flipped bit are noticed") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small();
        io::save_model(path, t.model, t.params, t.policy);
        const auto whole = io::read_file(path);
        const auto write = [&](std::span<const std::byte> bytes) {
            std::filesystem::remove(path); // some file systems sync a file that is emptied and written again
            std::ofstream(path, std::ios::binary)
                .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        };
        std::size_t accepted = 0;
        for (std::size_t size = 0; size < whole.size(); size += size < 64 || size > whole.size() - 64 ? 1 : 7) {
            write(std::span(whole).first(size));
            try {
                io::load_trained<float>(path);
                ++accepted;
            } catch (const FileError&) {}
        }
        CHECK(accepted == 0);
        const auto saved = t.scores();
        Rng rng(8);
        for (int round = 0; round < 3000; ++round) {
            auto flipped = whole;
            const std::size_t bit = random_index(rng, whole.size() * 8);
            flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            write(flipped);
            try {
                const auto loaded =
                    io::load_trained<float>(path); // only what means the same may load: a space of padding, say
                CHECK(scores_of(loaded, t.images) == saved);
                ++accepted;
            } catch (const FileError&) {}
        }
        CHECK(accepted < 60);
    }

    TEST_CASE("a full disk, a missing folder: an error, and the old file stays") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small();
        CHECK(throws_naming<FileError>([&] { io::save_model(folder.path / "none" / "m", t.model, t.params, t.policy); },
                                       {"none/m", "No such file"}));
        io::save_model(path, t.model, t.params, t.policy);
        const auto before = io::read_file(path);
        rlimit limit{}, small_limit{};
        getrlimit(RLIMIT_FSIZE, &limit);
        small_limit = limit;
        small_limit.rlim_cur = 500; // writes beyond fail as on a full disk
        auto* handler = std::signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small_limit);
        const bool refused = throws_naming<FileError>([&] { io::save_model(path, t.model, t.params, t.policy); },
                                                      {"model.safetensors", "cannot be written"});
        setrlimit(RLIMIT_FSIZE, &limit);
        std::signal(SIGXFSZ, handler);
        CHECK(refused);
        CHECK(io::read_file(path) == before);
        CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
    }

    TEST_CASE("a new file has the permissions that the umask leaves, a replaced one those of the old") {
        const TemporaryFolder folder;
        const auto path = folder.path / "file";
        const auto saved_with = [&](mode_t mask) {
            const mode_t before = umask(mask);
            io::replace_file(path, {});
            umask(before);
            return static_cast<int>(std::filesystem::status(path).permissions());
        };
        CHECK(saved_with(027) == 0640);
        CHECK(saved_with(022) == 0640);
        std::filesystem::permissions(path, std::filesystem::perms{0604});
        CHECK(saved_with(077) == 0604);
        std::filesystem::remove(path);
        CHECK(saved_with(0) == 0666);
    }

    TEST_CASE("killed while saving: the old file or the new, whole") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto old_model = small();
        auto new_model = small();
        fill(new_model.params, 0.01);
        io::save_model(path, old_model.model, old_model.params, old_model.policy);
        Rng rng(2);
        for (int round = 0; round < 30; ++round) {
            const pid_t child = fork();
            REQUIRE(child >= 0);
            if (child == 0)
                for (bool next = true;; next = !next)
                    io::save_model(path, old_model.model, next ? new_model.params : old_model.params, old_model.policy);
            usleep(static_cast<useconds_t>(random_index(rng, 20'000)));
            kill(child, SIGKILL);
            waitpid(child, nullptr, 0);
            const auto scores = scores_of(io::load_trained<float>(path), old_model.images);
            const bool whole = scores == old_model.scores() || scores == new_model.scores();
            CHECK(whole);
        }
    }
}
