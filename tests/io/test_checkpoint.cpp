// Training that stops, is saved, and goes on: in the same bits, whatever happens in between.
#include "edit_file.hpp"
#include "random_tensors.hpp"
#include "write_file.hpp"

#include <gradcon/io/checkpoint.hpp>
#include <gradcon/training/callbacks.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <locale>
#include <sys/wait.h>
#include <unistd.h>

using namespace gradcon;

namespace {

using Model = Autoencoder<Chain, Chain>;
using Params = Model::Params<float>;
using Policy = GradCon<Chain::Params<float>>;

Model cae() { return models::cae({.height = 5, .width = 6, .widths = {3}}); }
Model vae() {
    const Conv2d down{1, 3, {.kernel_size = 4, .stride = 2, .padding = 2}};
    const ConvTranspose2d up{3, 1, {.kernel_size = 4, .stride = 2, .padding = 2, .output_padding = {1, 0}}};
    return {Chain{{down, ReLU{}, Flatten{}, Linear{36, 8}}},
            Chain{{Linear{4, 36}, Unflatten{3, 4, 3}, ReLU{}, up, Sigmoid{}}}, Latent::gaussian(4)};
}

struct Images {
    Tensor<float, 4> training, held_out;

    explicit Images(std::size_t count = 21) {
        Rng rng(2);
        training = random_images<float>({count, 5, 6, 1}, rng, 0.2, 0.4);
        held_out = random_images<float>({9, 5, 6, 1}, rng, 0.2, 0.4);
    }
};

/// Another seed gives another of everything that a checkpoint keeps.
template <class Optimizer = Adam<Params>>
Training<Params, Policy, Optimizer> fresh(const Model& model, unsigned seed = 5) {
    Rng rng(seed);
    const auto params = model.init(rng);
    const double rate = 3e-3 * seed / 5;
    const Policy policy(params.decoder, {.alpha = 0.02 * seed, .beta = 1.0 / seed});
    if constexpr (std::is_same_v<Optimizer, Sgd<Params>>)
        return {params, policy, Sgd{params, {.learning_rate = 10 * rate, .momentum = 0.9}}, rng};
    else return {params, policy, Adam{params, {.learning_rate = rate}}, rng};
}

template <class Optimizer>
bool same(const Training<Params, Policy, Optimizer>& a, const Training<Params, Policy, Optimizer>& b) {
    bool equal = a.rng == b.rng && a.epochs == b.epochs && a.order == b.order && a.best_epoch == b.best_epoch &&
                 a.best.total == b.best.total && a.best.reconstruction == b.best.reconstruction &&
                 a.best.latent == b.best.latent && a.best.alignment == b.best.alignment &&
                 a.optimizer.learning_rate() == b.optimizer.learning_rate();
    const auto compare = [&](const auto& x, const auto& y) { equal = equal && std::ranges::equal(x, y); };
    const auto compare_trees = [&](const auto& x, const auto& y) {
        for_each_tensor([&](const auto& s, const auto& t) { compare(elements(s), elements(t)); }, x, y);
    };
    compare_trees(a.params, b.params);
    compare_trees(a.best_params, b.best_params);
    compare_trees(a.optimizer.state(), b.optimizer.state());
    if constexpr (requires { a.optimizer.steps(); }) equal = equal && a.optimizer.steps() == b.optimizer.steps();
    for (const auto& [p, q] : {std::pair(&a.policy, &b.policy), std::pair(&a.best_policy, &b.best_policy)}) {
        equal = equal && p->reference().updates() == q->reference().updates() &&
                p->options().alpha == q->options().alpha && p->options().beta == q->options().beta;
        for (std::size_t i = 0; i < p->count(); ++i) {
            compare(p->reference().exact(i), q->reference().exact(i));
            compare(p->reference().values(i), q->reference().values(i));
        }
    }
    return equal;
}

/// Trains until `epochs` are done; the learning rate goes up in the middle, so that later epochs are worse.
template <class T>
FitResult train(const Model& model, T& training, const Images& images, std::size_t epochs, bool validate = false,
                Executor* executor = nullptr) {
    FitOptions<float> options{.epochs = epochs, .batch_size = 8, .executor = executor};
    if (validate) options.validation = images.held_out;
    return fit(model, training, images.training, options, [](Epoch& epoch) {
        if (epoch.number == 3) epoch.learning_rate *= 200;
    });
}

/// Some epochs and the rest are 5, in this process and through a file.
template <class Optimizer = Adam<Params>>
void check_resume(const Model& model, bool validate) {
    const TemporaryFolder folder;
    const auto path = folder.path / "training";
    const Images images;
    auto straight = fresh<Optimizer>(model);
    const FitResult result = train(model, straight, images, 5, validate);
    CHECK(result.epochs == 5);
    CHECK(result.best_epoch == (validate ? 3 : 5));
    for (const std::size_t first : {2U, 3U, 4U}) { // 4: the best state is no longer the last
        auto half = fresh<Optimizer>(model), resumed = fresh<Optimizer>(model, 6);
        train(model, half, images, first, validate);
        io::save_checkpoint(path, model, half);
        io::load_checkpoint(path, model, resumed);
        CHECK(same(resumed, half));
        train(model, resumed, images, 5, validate);
        CHECK(same(resumed, straight));
        CHECK(!same(half, straight));
        train(model, half, images, 5, validate);
        CHECK(same(half, straight));
    }
}

} // namespace

TEST_SUITE("checkpoint") {
    TEST_CASE("saved and loaded, a training goes on in the same bits") {
        SUBCASE("an autoencoder") { check_resume(cae(), false); }
        SUBCASE("the best state behind it") { check_resume(cae(), true); }
        SUBCASE("a variational autoencoder's noise") { check_resume(vae(), true); }
        SUBCASE("momentum") { check_resume<Sgd<Params>>(cae(), true); }
    }

    TEST_CASE("saved in fit's callback, learning rate and all") {
        const TemporaryFolder folder;
        const Images images;
        auto straight = fresh(cae());
        const auto halve_and_save = [&](auto& training) {
            return [&](const Epoch& epoch) {
                training.optimizer.set_learning_rate(training.optimizer.learning_rate() / 2);
                io::save_checkpoint(folder.path / std::to_string(epoch.number), cae(), training);
            };
        };
        const FitOptions<float> options{.epochs = 4, .batch_size = 8};
        fit(cae(), straight, images.training, options, halve_and_save(straight));
        CHECK(straight.optimizer.learning_rate() == 3e-3 / 16);
        const auto last = io::read_file(folder.path / "4");
        for (const char* epoch : {"1", "2", "3"}) {
            auto resumed = fresh(cae(), 6);
            io::load_checkpoint(folder.path / epoch, cae(), resumed);
            fit(cae(), resumed, images.training, options, halve_and_save(resumed));
            CHECK(same(resumed, straight));
            CHECK(io::read_file(folder.path / "4") == last);
        }
    }

    TEST_CASE("SaveCheckpoint saves every n epochs, after the last, and where training stops") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        const Images images;
        const Model model = cae();
        const auto epochs_saved = [&](const io::SaveCheckpointOptions& options, std::size_t stop_after = 0) {
            std::filesystem::remove(path);
            std::vector<std::size_t> saved;
            auto training = fresh(model), loaded = fresh(model, 6);
            const auto stop = [&](Epoch& epoch) { epoch.stop = epoch.number == stop_after; };
            const auto look = [&](const Epoch&) {
                if (!std::filesystem::exists(path)) return;
                io::load_checkpoint(path, model, loaded);
                if (saved.empty() || saved.back() != loaded.epochs) saved.push_back(loaded.epochs);
            };
            fit(model, training, images.training, {.epochs = 5, .batch_size = 8},
                all(stop, io::SaveCheckpoint(path, model, training, options), look));
            return saved;
        };
        using Epochs = std::vector<std::size_t>;
        CHECK(epochs_saved({}) == Epochs{1, 2, 3, 4, 5});
        CHECK(epochs_saved({.every = 2}) == Epochs{2, 4, 5});
        CHECK(epochs_saved({.every = 2}, 3) == Epochs{2, 3});
        CHECK(epochs_saved({.every = 9}) == Epochs{5});
        CHECK(epochs_saved({.time_share = 1e-9}) == Epochs{1, 5}); // nothing was saved before the first
        CHECK(throws_naming<ValueError>([&] { epochs_saved({.every = 0}); }, {"every", "1 or more"}));
        CHECK(throws_naming<ValueError>([&] { epochs_saved({.time_share = 0}); }, {"time_share", "above 0"}));
    }

    TEST_CASE("SaveCheckpoint behind a schedule saves the next learning rate: the same bits") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        const Images images;
        const Model model = cae();
        const FitOptions<float> options{.epochs = 5, .batch_size = 8};
        const CosineDecay decay{.first = 3e-3, .last = 1e-4};
        auto straight = fresh(model), half = fresh(model), resumed = fresh(model, 6);
        fit(model, straight, images.training, options, decay);
        fit(model, half, images.training, options,
            all(
                decay, [](Epoch& epoch) { epoch.stop = epoch.number == 3; }, io::SaveCheckpoint(path, model, half)));
        io::load_checkpoint(path, model, resumed);
        CHECK(resumed.epochs == 3);
        fit(model, resumed, images.training, options, decay);
        CHECK(same(resumed, straight));
    }

    TEST_CASE("before the first epoch, and when all epochs are done") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        const Images images;
        auto straight = fresh(cae()), resumed = fresh(cae(), 6);
        io::save_checkpoint(path, cae(), straight);
        io::load_checkpoint(path, cae(), resumed);
        CHECK(same(resumed, straight));
        CHECK(resumed.best_epoch == 0);
        train(cae(), straight, images, 2);
        train(cae(), resumed, images, 2);
        CHECK(same(resumed, straight));
        for (const std::size_t epochs : {1U, 2U}) CHECK(train(cae(), resumed, images, epochs).epochs == 2);
        CHECK(same(resumed, straight));
    }

    TEST_CASE("another number of images is refused") {
        auto training = fresh(cae());
        train(cae(), training, Images(21), 1);
        const auto before = training;
        CHECK(throws_naming<ValueError>([&] { train(cae(), training, Images(20), 2); }, {"21 images", "20"}));
        CHECK(same(training, before));
    }

    TEST_CASE("an epoch that cannot be finished has not happened, and what is saved then goes on") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        const Images images;
        auto straight = fresh(cae());
        train(cae(), straight, images, 2);
        const auto goes_on = [&](auto& training, const auto& message_parts) {
            const auto before = training;
            CHECK(throws_naming<DivergenceError>([&] { train(cae(), training, images, 3); }, message_parts));
            CHECK(same(training, before));
            auto resumed = fresh(cae(), 6);
            io::save_checkpoint(path, cae(), training);
            io::load_checkpoint(path, cae(), resumed);
            resumed.optimizer.set_learning_rate(3e-3);
            auto expected = straight;
            train(cae(), resumed, images, 4);
            train(cae(), expected, images, 4);
            CHECK(same(resumed, expected));
        };
        using Parts = std::initializer_list<std::string_view>;
        auto training = straight;
        training.optimizer.set_learning_rate(1e37); // parameters that overflow the sums of the next batch
        goes_on(training, Parts{"the loss of epoch 3 is not finite", "1e+37", "after epoch 2"});

        struct Failing : Executor {
            std::size_t runs = 0;
            std::size_t workers() const override { return 1; }
            void run(std::size_t count, TaskRef task) override {
                if (++runs == 7) throw std::runtime_error("no thread");
                SerialExecutor().run(count, task);
            }
        } failing;
        training = straight;
        CHECK_THROWS_AS(train(cae(), training, images, 3, false, &failing), std::runtime_error);
        CHECK(same(training, straight));
        auto unbegun = fresh(cae());
        failing.runs = 0;
        CHECK_THROWS_AS(train(cae(), unbegun, images, 3, false, &failing), std::runtime_error);
        CHECK(same(unbegun, fresh(cae())));
    }

    TEST_CASE("what could not be read again is not saved") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        auto training = fresh(cae());
        io::save_checkpoint(path, cae(), training);
        const auto bytes = io::read_file(path);
        const auto refused = [&](auto& tree, const char* name) {
            float* number = nullptr;
            for_each_tensor([&](auto& tensor) { number = tensor.data(); }, tree);
            const float good = std::exchange(*number, std::numeric_limits<float>::quiet_NaN());
            CHECK(throws_naming<ValueError>([&] { io::save_checkpoint(path, cae(), training); }, {name, "nan"}));
            CHECK(io::read_file(path) == bytes);
            *number = good;
        };
        refused(training.params, "tensor up.0.bias");
        refused(training.best_params, "tensor best.up.0.bias");
        auto moments = training.optimizer.state();
        refused(moments, "tensor optimizer.1.decoder.0.bias");
    }

    TEST_CASE("what is wrong with a file is said by name, and nothing is changed") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        const Images images;
        auto saved = fresh(cae());
        train(cae(), saved, images, 2);
        auto into = fresh(cae(), 6);
        train(cae(), into, images, 1);
        const auto before = into;
        using Parts = std::initializer_list<std::string_view>;
        const auto refused_now = [&](Parts parts) {
            INFO(*parts.begin());
            CHECK(throws_naming<FileError>([&] { io::load_checkpoint(path, cae(), into); }, parts));
            CHECK(same(into, before));
        };
        const auto refused = [&](const FileEdit& edit, Parts parts) {
            io::save_checkpoint(path, cae(), saved);
            edit_file(path, edit);
            refused_now(parts);
        };
        const auto remove = [](const char* name) {
            return [=](auto&, auto& tensors) {
                CHECK(std::erase_if(tensors, [&](const auto& tensor) { return tensor.name == name; }) == 1);
            };
        };
        /// The first bytes of a tensor replaced by those of a number.
        const auto poison = [](const std::string& name, auto number) {
            return [=](auto&, auto& tensors) {
                const auto tensor = std::ranges::find(tensors, name, &io::TensorToWrite::name);
                REQUIRE(tensor != tensors.end());
                std::memcpy(tensor->bytes.data(), &number, sizeof number);
            };
        };

        refused_now({"no such file"});
        io::save_model(path, cae(), saved.params, saved.policy);
        refused_now({"format \"gradcon\"", "\"gradcon checkpoint\""});
        io::save_checkpoint(path, cae(), saved);
        CHECK(throws_naming<FileError>([&] { io::load_model(path, cae(), into.params, into.policy); },
                                       {"format \"gradcon checkpoint\"", "\"gradcon\""}));
        CHECK(same(into, before));

        io::save_checkpoint(path, vae(), fresh(vae()));
        refused_now({"its encoder is", "Flatten"});
        io::save_checkpoint(path, Model(cae().encoder, cae().decoder, Latent::gaussian(4)), saved);
        refused_now({"its latent is", "Gaussian", "none"});
        refused(replace_in_metadata("policy", "total_loss", "reconstruction_loss"),
                {"reference_of", "reconstruction_loss", "no longer"});
        refused(replace_in_metadata("policy", "running_mean", "exponential"),
                {"averaging", "exponential", "no longer"});
        io::save_checkpoint(path, cae(), fresh<Sgd<Params>>(cae()));
        refused_now({"optimizer.1.encoder.0.weight is missing"});

        refused(set_metadata("format_version", "2"), {"version 2 is newer", "up to 1"});
        refused(set_metadata("policy", "[]"), {"policy must be one object"});
        refused(set_metadata("training", "[]"), {"training must be one object"});
        refused(set_metadata("training", "[{"), {"metadata training", "JSON"});
        refused(replace_in_metadata("training", "\"epochs\":2", "\"epochs\":-2"), {"training", "epochs", "-2"});
        refused(replace_in_metadata("training", "\"epochs\":2", "\"epochs\":1"), {"training", "1 epochs", "best 2"});
        refused(replace_in_metadata("training", "\"epochs\":2", "\"epochs\":0"), {"training", "0 epochs"});
        refused(replace_in_metadata("training", "\"best_total\":", "\"best\":"), {"training", "lacks best_total"});
        refused(replace_in_metadata("training", "\"optimizer_steps\":6", "\"optimizer_steps\":6.5"),
                {"optimizer_steps", "6.5"});
        refused(replace_in_metadata("training", "\"learning_rate\":", "\"learning_rate\":-"),
                {"training", "learning_rate"});
        refused(remove("up.0.weight"), {"up.0.weight is missing"});
        refused(remove("best.down.0.bias"), {"best.down.0.bias is missing"});
        refused(remove("best.ref.0"), {"best.ref.0 is missing"});
        refused(remove("order"), {"order is missing"});
        refused(
            [](auto&, auto& tensors) {
                tensors.push_back({"extra", io::DType::u8, {1}, {std::byte{1}}});
            },
            {"unexpected tensor extra"});
        constexpr float nan = std::numeric_limits<float>::quiet_NaN();
        refused(poison("best.up.0.weight", nan), {"best.up.0.weight", "nan"});
        refused(poison("optimizer.0.decoder.0.weight", nan), {"optimizer.0.decoder.0.weight", "nan"});
        refused(poison("ref.0", std::numeric_limits<double>::infinity()), {"ref.0", "inf"});
        refused(poison("order", double{nan}), {"order holds nan at element 0"});
        for (const double index : {21.0, -1.0, 0.5, static_cast<double>(saved.order[1])})
            refused(poison("order", index), {"order must hold each index below 21 once", message(index).c_str()});
        refused([](auto&, auto& tensors) { tensors.back().shape = {3, 7}; }, {"order must have one dimension"});
        refused(
            [](auto&, auto& tensors) {
                const auto order = std::ranges::find(tensors, std::string("order"), &io::TensorToWrite::name);
                order->shape = {0};
                order->bytes.clear();
            },
            {"training", "order of 0 images"});
        refused(set_metadata("rng", ""), {"rng"});
        refused(set_metadata("rng", "1 2 3"), {"rng"});
        refused(set_metadata("rng", message(saved.rng) + " 7"), {"rng"});
        refused(set_metadata("rng", "x" + message(saved.rng)), {"rng"});
        refused([](auto& metadata, auto&) { metadata.erase("rng"); }, {"rng"});

        io::save_checkpoint(path, cae(), saved);
        io::load_checkpoint(path, cae(), into);
        CHECK(same(into, saved));
    }

    TEST_CASE("truncation at many bytes and many flipped bits are noticed") {
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        auto saved = fresh(cae());
        train(cae(), saved, Images(), 2);
        io::save_checkpoint(path, cae(), saved);
        const auto whole = io::read_file(path);
        const auto other = fresh(cae(), 6);
        std::size_t accepted = 0, altered = 0;
        const auto load = [&] {
            auto into = other;
            try {
                io::load_checkpoint(path, cae(), into);
                ++accepted; // only what means the same may load: a space of padding, say
                if (!same(into, saved)) ++altered;
            } catch (const FileError&) {
                if (!same(into, other)) ++altered;
            }
        };
        for (std::size_t size = 0; size < whole.size(); size += size < 32 || size + 32 > whole.size() ? 1 : 29) {
            write_file(path, std::span(whole).first(size));
            load();
        }
        CHECK(accepted == 0);
        Rng rng(8);
        for (int round = 0; round < 600; ++round) {
            auto flipped = whole;
            const std::size_t bit = random_index(rng, whole.size() * 8);
            flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
            write_file(path, flipped);
            load();
        }
        CHECK(accepted < 12);
        CHECK(altered == 0);
    }

    TEST_CASE("a program whose locale groups digits reads and writes the same file") {
        struct Grouped : std::numpunct<char> {
            char do_thousands_sep() const override { return '.'; }
            std::string do_grouping() const override { return "\3"; }
        };
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        auto saved = fresh(cae()), into = fresh(cae(), 6);
        train(cae(), saved, Images(), 1);
        io::save_checkpoint(path, cae(), saved);
        const auto bytes = io::read_file(path);
        const auto usual = std::locale::global(std::locale(std::locale::classic(), new Grouped));
        io::save_checkpoint(path, cae(), saved);
        io::load_checkpoint(path, cae(), into);
        std::locale::global(usual);
        CHECK(io::read_file(path) == bytes);
        CHECK(same(into, saved));
    }

    TEST_CASE("killed at any moment, it goes on from the last checkpoint to the same bits") {
        constexpr std::size_t epochs = 12;
        const TemporaryFolder folder;
        const auto path = folder.path / "training";
        const Images images;
        auto straight = fresh(vae());
        train(vae(), straight, images, epochs, true);

        const auto train_on = [&] {
            auto training = fresh(vae());
            if (std::filesystem::exists(path)) io::load_checkpoint(path, vae(), training);
            // Saved before fit takes over the new learning rate: so it is set here.
            fit(vae(), training, images.training, {.epochs = epochs, .batch_size = 8, .validation = images.held_out},
                [&](const Epoch& epoch) {
                    if (epoch.number == 3) training.optimizer.set_learning_rate(200 * epoch.learning_rate);
                    io::save_checkpoint(path, vae(), training);
                });
        };
        const auto content = [&] {
            return std::filesystem::exists(path) ? io::read_file(path) : std::vector<std::byte>();
        };
        Rng rng(2);
        std::size_t killed = 0;
        for (bool finished = false; !finished;) {
            const auto before = content();
            const pid_t child = fork();
            REQUIRE(child >= 0);
            if (child == 0) {
                try {
                    train_on();
                    _exit(0);
                } catch (...) { _exit(1); }
            }
            // After the next checkpoint, somewhere in the epoch and the saving that follow.
            int status = 0;
            while (!finished && content() == before) finished = waitpid(child, &status, WNOHANG) == child;
            if (!finished) {
                usleep(static_cast<useconds_t>(random_index(rng, 2'000)));
                kill(child, SIGKILL);
                waitpid(child, &status, 0);
            }
            if (WIFSIGNALED(status)) ++killed;
            else REQUIRE(WEXITSTATUS(status) == 0);
            finished = WIFEXITED(status);
        }
        CHECK(killed > 0);
        auto resumed = fresh(vae(), 6);
        io::load_checkpoint(path, vae(), resumed);
        CHECK(same(resumed, straight));
    }
}
