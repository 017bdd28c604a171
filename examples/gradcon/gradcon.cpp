// The command: from a folder of normal pictures, or a table, to alarms with a known false-alarm rate.
#include "options.hpp"

#include <gradcon/core/error.hpp>
#include <gradcon/version.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

namespace {

constexpr int bad_use = 2, bad_data = 3;

void add_inputs(CLI::App& command, Options& options, const char* what) {
    command.add_option("INPUT", options.inputs, what)->required();
    command.add_option("--label-column", options.input.label_column,
                       "column of a table that is never looked at by the model");
    command.add_option("--labels", options.input.labels, ".npy with a label for each row of a .npy table");
    command.add_option("--threads", options.threads, "0: all")->check(CLI::Range(0, 4096));
    command.add_flag("--keep-going", options.keep_going, "name bad files and leave them out, instead of stopping");
}

void add_model(CLI::App& command, Options& options) {
    command.add_option("--model", options.model, "the model file")->capture_default_str();
}

/// For commands that read a model: one of locations may need its network.
void add_read_model(CLI::App& command, Options& options) {
    add_model(command, options);
    command.add_option("--network", options.network, "the model's network, where it is not where it was in training");
}

void add_features(CLI::App& command, Options& options) {
    FeatureOptions& f = options.features;
    const auto add = [&](const char* name, auto& value, const char* what) {
        return command.add_option(name, value, what)->group("Each place of a picture");
    };
    add("--features", f.of, "patches (what folders of larger pictures get), or a network's ONNX file");
    add("--layers", f.layers, "of the network: their outputs are the features")->delimiter(',');
    add("--mean", f.mean, "of red, green, blue in [0, 1], which the network wants subtracted")
        ->delimiter(',')
        ->expected(3);
    add("--deviation", f.deviation, "by which it wants them divided")->delimiter(',')->expected(3);
    command.add_flag("--blue-first", f.blue_first, "the network wants blue, green, red")
        ->group("Each place of a picture");
    add("--patch-size", f.patches.size, "sides of a patch")->capture_default_str()->check(CLI::Range(2, 64));
    add("--scales", f.patches.scales, "pixels of the picture that make one of a patch")
        ->delimiter(',')
        ->check(CLI::Range(1, 1000));
    add("--patch-stride", f.patches.stride, "pixels from one patch to the next")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    add("--margin", f.margin, "places at the border that are not looked at (patches: 0, networks: 2)")
        ->check(CLI::Range(0, 1000));
    add("--smoothing", f.smoothing, "of the map, in places (1)")->check(CLI::Range(0.0, 100.0));
    add("--highest-share", f.highest_share,
        "of the places, whose mean is the picture's score (patches: 0.0003, networks: 0.01)")
        ->check(CLI::Range(0.0, 1.0));
    add("--area", f.area, "a picture that is white where to look and black elsewhere");
    add("--locations", f.locations, "places that training draws from all pictures (60000)")
        ->check(CLI::Range(1000, 100'000'000));
    command.add_flag("--whole", f.whole, "one autoencoder of the whole picture instead")
        ->group("Each place of a picture");
}

void add_threshold(CLI::App& command, Options& options) {
    auto* rate =
        command
            .add_option("--false-alarm-rate", options.false_alarm_rate, "share of normal samples that may be alarms")
            ->check(CLI::Range(1e-9, 0.999999));
    command.add_option("--threshold", options.threshold, "scores that reach it are alarms")->excludes(rate);
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"gradcon: learns what is normal, finds what is not"};
    app.require_subcommand(1);
    app.set_version_flag(
        "--version", gradcon::message(GRADCON_VERSION_MAJOR, ".", GRADCON_VERSION_MINOR, ".", GRADCON_VERSION_PATCH));
    app.footer("INPUT is a folder of pictures (PNG, JPEG, BMP, PGM, PPM; folders within it too), a picture, an IDX or "
               "CIFAR-10 file (--class K: the images of that class), a table (.csv, .tsv, .npy), or - for a list of "
               "pictures on standard input.\n"
               "Exit status: 0 fine, 1 anomalies were found (with --fail-on-anomaly), 2 bad use, 3 bad data.");
    Options options;
    int status = 0;

    auto* command = app.add_subcommand("train", "learn from normal samples and write a calibrated model");
    add_inputs(*command, options, "normal samples");
    add_model(*command, options);
    command->add_option("--class", options.input.only_label,
                        "only samples with this label (IDX, CIFAR-10, labelled tables)");
    command->add_option("--size", options.size,
                        "N or HxW that pictures are resized to (networks: 256; --whole: as the first, 64 at most)");
    command->add_option("--channels", options.channels, "1 gray, 3 colours (as the first picture)")
        ->check(CLI::IsMember({1, 3}));
    command->add_option("--width", options.width, "values of the first layer (pictures: 32)")
        ->check(CLI::Range(1, 4096));
    command->add_option("--depth", options.depth, "layers of the encoder (pictures: 4, tables: 2)")
        ->check(CLI::Range(1, 12));
    command->add_option("--score", options.score, "what a sample's score is")
        ->capture_default_str()
        ->check(CLI::IsMember({"recommended", "gradcon", "reconstruction", "gradient", "code_distance",
                               "finished_alignment", "log_norm_density"}));
    command->add_option("--epochs", options.epochs, "(50; of features 25)")->check(CLI::Range(1, 1'000'000));
    command->add_option("--alpha", options.alpha, "weight of the gradients' alignment in training")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 1e6));
    add_features(*command, options);
    command->add_option("--seed", options.seed)->capture_default_str();
    command->add_option("--window", options.input.window, "rows of a time series that make one sample")
        ->check(CLI::Range(1, 1'000'000));
    command->add_option("--stride", options.input.stride, "rows from one sample to the next")
        ->check(CLI::Range(1, 1'000'000));
    command
        ->add_option("--false-alarm-rate", options.false_alarm_rate,
                     "share of normal samples that may be alarms (0.01)")
        ->check(CLI::Range(1e-9, 0.999999));
    command->add_flag("--resume", options.resume, "go on where a training of the same samples was stopped");
    command->callback([&] { status = train(options); });

    command = app.add_subcommand("calibrate", "choose the threshold anew on normal samples, without training");
    add_inputs(*command, options, "normal samples");
    add_read_model(*command, options);
    add_threshold(*command, options);
    command->add_option("--class", options.input.only_label, "only samples with this label");
    command->add_option("--abnormal", options.abnormal, "anomalies: the threshold of the best F1");
    command->add_option("--out", options.out, "write another model file instead of the same");
    command->callback([&] { status = calibrate(options); });

    command = app.add_subcommand("score", "score samples, one line each");
    add_inputs(*command, options, "samples");
    add_read_model(*command, options);
    add_threshold(*command, options);
    command->add_option("--format", options.format)
        ->capture_default_str()
        ->check(CLI::IsMember({"table", "csv", "jsonl"}));
    command->add_flag("--fail-on-anomaly", options.fail_on_anomaly, "exit status 1 when there is an anomaly");
    command->add_option("--maps", options.maps, "folder for the pictures beside the maps of their scores");
    command->add_flag("--drift", options.drift,
                      "watch whether the scores still come from where the calibration's came");
    command->callback([&] { status = score(options); });

    command = app.add_subcommand("evaluate", "how well a model tells normal from abnormal");
    add_inputs(*command, options,
               "folder with the folders normal and abnormal, or of MVTec AD's layout, or a table or images with "
               "labels");
    add_read_model(*command, options);
    add_threshold(*command, options);
    command->add_option("--normal-label", options.normal_label, "label of normal samples (0, normal or good)");
    command->add_option("--report", options.report, "write a page: scores, ROC, pictures");
    command->add_option("--json", options.json, "write the figures");
    command->callback([&] { status = evaluate(options); });

    command = app.add_subcommand("explain", "why a sample scores as it does");
    add_inputs(*command, options, "a sample (of several the first)");
    add_read_model(*command, options);
    add_threshold(*command, options);
    command->add_option("--out", options.out, "PNG of a picture and what explains its score");
    command->add_flag("--fail-on-anomaly", options.fail_on_anomaly, "exit status 1 when it is an anomaly");
    command->callback([&] { status = explain(options); });

    command = app.add_subcommand("info", "what is in a model file");
    add_read_model(*command, options);
    command->callback([&] { status = info(options); });

    command = app.add_subcommand("selftest", "does the model score here as where it was saved?");
    add_read_model(*command, options);
    command->callback([&] { status = selftest(options); });

    try {
        app.parse(argc, argv);
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
            throw gradcon::FileError("standard output cannot be written to");
        return status;
    } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? 0 : bad_use; } catch (const BadUse& error) {
        std::fprintf(stderr, "gradcon: %s\n", error.what.c_str());
        return bad_use;
    } catch (const gradcon::ValueError& error) {
        std::fprintf(stderr, "gradcon: %s\n", error.what());
        return bad_use;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "gradcon: %s\n", error.what());
        return bad_data;
    }
}
