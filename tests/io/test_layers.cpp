#include "edit_file.hpp"
#include "random_detector.hpp"

#include <gradcon/io/detector_file.hpp>

#include <doctest/doctest.h>

using namespace gradcon;

TEST_SUITE("layers in files") {
    TEST_CASE("MaxPool2d and GroupNorm come back, under PyTorch's names") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        const Autoencoder model{Sequential{Conv2d{1, 4, {.padding = 1}}, GroupNorm{2, 4, {.eps = 0.1}}, ReLU{},
                                           MaxPool2d{{.kernel_size = 3, .stride = 2, .padding = 1}}},
                                Sequential{ConvTranspose2d{4, 1, {.kernel_size = 2, .stride = 2}}, Sigmoid{}}};
        auto saved = random_detector(model, {5, 8, 6, 1});
        randomize(saved.params.encoder, saved.rng);
        io::save_model(path, saved.model, saved.params, saved.policy);
        const auto loaded = io::load_trained<float>(path);
        CHECK(score_each(Scorer{loaded.model, loaded.params, loaded.policy}, saved.images, saved.serial).score() ==
              saved.scores());
        CHECK(std::get<GroupNorm>(loaded.model.encoder.layers()[1]).options().eps == 0.1);
        CHECK(io::read_safetensors(path).at("down.1.weight").shape == std::vector<std::size_t>{4});
        CHECK(io::read_safetensors(path).at("down.1.bias").shape == std::vector<std::size_t>{4});

        const auto refused = [&](const char* from, const char* to, std::initializer_list<std::string_view> parts) {
            io::save_model(path, saved.model, saved.params, saved.policy);
            edit_file(path, replace_in_metadata("encoder", from, to));
            CHECK(throws_naming<FileError>([&] { io::load_trained<float>(path); }, parts));
        };
        refused("\"eps\":0.1", "\"eps\":0", {"down.1", "eps 0"});
        refused("\"groups\":2", "\"groups\":3", {"down.1", "groups 3"});
        refused("\"channels\":4", "\"channels\":400000", {"down.1", "needs a weight of shape"});
        refused("\"kernel_size\":3,\"padding\":1,\"stride\":2", "\"kernel_size\":3,\"padding\":2,\"stride\":2",
                {"down.3", "padding 2"});
        refused("\"groups\":2", "\"groups\":2,\"momentum\":1", {"unknown keys", "momentum"});
    }
}
