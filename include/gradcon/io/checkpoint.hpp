#pragma once

#include "gradcon/io/model_file.hpp"
#include "gradcon/training/fit.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <locale>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

// A training that can go on as one safetensors file, apart from the model file: parameters, references and moments
// exactly, those of the best epoch under "best.", the order of the images "order" (F64), and as metadata the network
// and the policy (as a model file has them), the random generator's state and
//     training   epochs done, best epoch and its losses, learning rate, optimizer steps
namespace gradcon {
inline namespace GRADCON_INSTRUCTION_SET {
namespace io {

inline constexpr unsigned checkpoint_format_version = 1;

namespace detail {
/// The indices 0 ... n - 1, each once, that a file has under "order".
inline std::vector<std::size_t> read_order(ModelReader& reader) {
    const auto indices = reader.list<double>("order");
    std::vector<std::size_t> order;
    std::vector<bool> seen(indices.size());
    for (const double index : indices) {
        const bool whole = index >= 0 && index < static_cast<double>(indices.size());
        order.push_back(whole ? static_cast<std::size_t>(index) : 0);
        if (!whole || static_cast<double>(order.back()) < index || seen[order.back()])
            reader.refuse(message("order must hold each index below ", indices.size(), " once; it has ", index, " at ",
                                  order.size() - 1));
        seen[order.back()] = true;
    }
    return order;
}

template <class Model, class Params, class Policy, class Optimizer>
void save_checkpoint(const std::filesystem::path& path, const Model& model,
                     const Training<Params, Policy, Optimizer>& training, double learning_rate) {
    std::vector<TensorToWrite> tensors;
    append_parameters(training.params, "", tensors);
    append_parameters(training.best_params, "best.", tensors);
    append_parameters(training.optimizer.state(), "optimizer.", tensors);
    append_references(training.policy, training.params.decoder, "", tensors);
    append_references(training.best_policy, training.best_params.decoder, "best.", tensors);
    const std::vector<double> order(training.order.begin(), training.order.end());
    tensors.push_back(to_pytorch("order", std::span<const double>(order)));

    Description state = Description()
                            .with("epochs", training.epochs)
                            .with("best_epoch", training.best_epoch)
                            .with("best_updates", training.best_policy.reference().updates())
                            .with("learning_rate", learning_rate)
                            .with("best_reconstruction", training.best.reconstruction)
                            .with("best_latent", training.best.latent)
                            .with("best_alignment", training.best.alignment)
                            .with("best_total", training.best.total);
    if constexpr (requires { training.optimizer.steps(); })
        state = std::move(state).with("optimizer_steps", training.optimizer.steps());
    std::map<std::string, std::string> metadata;
    metadata["format"] = "gradcon checkpoint";
    metadata["format_version"] = std::to_string(checkpoint_format_version);
    describe_network(model, metadata);
    metadata["policy"] = to_json(std::vector(1, describe_policy(training.policy)));
    metadata["training"] = to_json(std::vector(1, state));
    metadata["rng"] = message(training.rng);
    add_checksum(metadata, tensors);
    replace_file(path, serialize_safetensors(tensors, metadata));
}
} // namespace detail

/// Writes a training between two epochs (in fit's callback, say: see SaveCheckpoint); the file that was there is
/// replaced at once, or on any error not at all, so that whatever happens a whole checkpoint is there.
/// @throws FileError when the file cannot be written, ValueError when a tensor holds a number that is not finite
template <class Model, class Params, class Policy, class Optimizer>
void save_checkpoint(const std::filesystem::path& path, const Model& model,
                     const Training<Params, Policy, Optimizer>& training) {
    detail::save_checkpoint(path, model, training, training.optimizer.learning_rate());
}

/// Reads a checkpoint into a training that was made as the saved one was: of the same network, with a policy and an
/// optimizer of the same kind (what the file has of their options replaces theirs). Options of the optimizer other than
/// its learning rate are the given one's.
/// @throws FileError that names what is wrong; `training` is then as before
template <class Model, class Params, class Policy, class Optimizer>
void load_checkpoint(const std::filesystem::path& path, const Model& model,
                     Training<Params, Policy, Optimizer>& training) {
    detail::ModelReader reader(path, "gradcon checkpoint", checkpoint_format_version);
    detail::check_network(reader, model);
    auto read = training;
    reader.parameters("", read.params);
    reader.parameters("best.", read.best_params);
    for_each_named_tensor(
        [&](const std::string& name, auto& moment) {
            const auto values = reader.template tensor<scalar_t<Params>>("optimizer." + pytorch_name(name), moment);
            std::ranges::copy(values, moment.data());
        },
        read.optimizer.state());
    read.policy = detail::read_policy(reader, read.params.decoder);
    read.best_policy = read.policy;
    reader.object("training", [&](Description& d) {
        detail::read_references(reader, "best.", read.params.decoder, d.take<std::uint64_t>("best_updates"),
                                read.best_policy);
        read.epochs = d.take<std::uint64_t>("epochs");
        read.best_epoch = d.take<std::uint64_t>("best_epoch");
        read.best = {d.take_number("best_reconstruction"), d.take_number("best_latent"),
                     d.take_number("best_alignment"), d.take_number("best_total")};
        read.optimizer.set_learning_rate(d.take_number("learning_rate"));
        if constexpr (requires { read.optimizer.set_steps(1); })
            read.optimizer.set_steps(d.take<std::uint64_t>("optimizer_steps"));
    });

    read.order = detail::read_order(reader);
    if (read.best_epoch > read.epochs || read.order.empty() != (read.epochs == 0))
        reader.refuse(message("training: ", read.epochs, " epochs, the best ", read.best_epoch, ", with an order of ",
                              read.order.size(), " images, cannot be"));
    const std::string rng_text = reader.text("rng");
    std::istringstream rng(rng_text);
    rng.imbue(std::locale::classic());
    if (!(rng >> read.rng) || message(read.rng) != rng_text)
        reader.refuse("metadata rng is no state of the random generator");
    reader.refuse_unread();
    training = std::move(read);
}

/// every: 1 or more. time_share: above 0; the saves between take at most this share of the time.
struct SaveCheckpointOptions {
    std::size_t every = 1;
    double time_share = 1;
};

/// A callback of fit (see training/callbacks.hpp): saves a checkpoint after every `every` epochs, after the last and
/// where training stops early. As the last of several it saves what those before it decide, the next learning rate
/// included, so that the training goes on in the same bits:
///
///     fit(model, training, images, options,
///         all(CosineDecay{}, EarlyStopping{}, io::SaveCheckpoint("training", model, training, {.every = 10})));
///
/// Model and training must outlive it.
template <class Model, class Training>
class SaveCheckpoint {
  public:
    /// @throws ValueError for options out of their range
    SaveCheckpoint(std::filesystem::path path, const Model& model, const Training& training,
                   const SaveCheckpointOptions& options = {})
        : path_(std::move(path)), model_(&model), training_(&training), options_(options) {
        if (options.every == 0) throw ValueError("SaveCheckpoint: every must be 1 or more");
        if (!(options.time_share > 0))
            throw ValueError(message("SaveCheckpoint: time_share must be above 0; it is ", options.time_share));
    }

    /// @throws as save_checkpoint does
    void operator()(const Epoch& epoch) {
        const auto begin = Clock::now();
        const bool due = epoch.number % options_.every == 0 &&
                         (options_.time_share >= 1 || (begin - end_) * options_.time_share >= saving_);
        if (!due && !epoch.stop && epoch.number < epoch.epochs) return;
        detail::save_checkpoint(path_, *model_, *training_, epoch.learning_rate);
        end_ = Clock::now();
        saving_ = end_ - begin;
    }

  private:
    using Clock = std::chrono::steady_clock;

    std::filesystem::path path_;
    const Model* model_;
    const Training* training_;
    SaveCheckpointOptions options_;
    Clock::time_point end_ = Clock::now(); // of the last save
    Clock::duration saving_{};             // how long that took
};

} // namespace io
} // namespace GRADCON_INSTRUCTION_SET
} // namespace gradcon
