#include "model.hpp"

#include <gradcon/io/detector_file.hpp>
#include <gradcon/io/layers.hpp>
#include <gradcon/io/safetensors.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <variant>

namespace {

std::string layers(const gradcon::Chain& chain) {
    std::string text;
    for (const auto& description : gradcon::io::describe_layers(chain)) text += "    " + description.to_json() + "\n";
    return text;
}

/// What a sum is made of.
std::string terms(const gradcon::AnyScoreRule& rule) {
    const auto* conformal = std::get_if<gradcon::ConformalSum>(&rule);
    const auto* sum = conformal ? &conformal->sum : std::get_if<gradcon::StandardizedSum>(&rule);
    std::string text;
    if (sum != nullptr)
        for (const auto& term : sum->terms)
            text += (text.empty() ? " of " : ", ") +
                    std::string(gradcon::statistic_names[static_cast<std::size_t>(term.statistic())]);
    return text;
}

void print_calibration(const char* what, const gradcon::Calibration& c) {
    if (c.empty() && !c.own_threshold()) {
        std::printf("%s: none\n", what);
        return;
    }
    std::printf("%s: %zu normal samples, threshold %.6g", what, c.size(), c.threshold());
    if (!c.own_threshold()) {
        const auto interval = c.false_alarm_interval(c.false_alarm_rate());
        std::printf(" for a false-alarm rate of %.3g (of this calibration: %.3g to %.3g with 95 %%)",
                    c.false_alarm_rate(), interval.low, interval.high);
    }
    std::printf("\n");
}

/// What a local model is fed with.
void print_features(const Inspector& inspector) {
    std::printf("input: pictures, each place by features with these settings\n");
    for (const auto& [name, value] : inspector.extractor().settings())
        std::printf("    %s: %s\n", name.c_str(), value.c_str());
    const auto& map = inspector.model().map;
    std::printf("map: margin %zu, smoothing %g, the score is the mean of the highest %g of a map\n", map.margin,
                map.smoothing, map.highest_share);
    if (!map.area.empty())
        std::printf("area: %.1f %% of a mask of %zu x %zu pixels\n",
                    100 * static_cast<double>(std::ranges::count_if(map.area.inside, [](auto v) { return v != 0; })) /
                        static_cast<double>(map.area.inside.size()),
                    map.area.height, map.area.width);
}

void print_input(const gradcon::Input& input) {
    if (const auto* image = std::get_if<gradcon::ImageInput>(&input))
        std::printf("input: pictures as %zu x %zu x %zu (%s)\n", image->height, image->width, image->channels(),
                    image->order == gradcon::PixelOrder::gray  ? "gray"
                    : image->order == gradcon::PixelOrder::rgb ? "red first"
                                                               : "blue first");
    else if (const auto* table = std::get_if<gradcon::TableInput>(&input)) {
        std::printf("input: %zu columns, windows of %zu rows, one every %zu\n", table->width(), table->window,
                    table->stride);
        for (std::size_t k = 0; k < table->columns.size(); ++k)
            std::printf("    %s: mean %.6g, deviation %.6g\n", table->columns[k].c_str(), table->means[k],
                        table->deviations[k]);
    } else std::printf("input: not in the file\n");
}

} // namespace

int info(const Options& options) {
    const auto file = gradcon::io::read_safetensors(options.model);
    std::optional<Inspector> local;
    if (is_local(options.model)) local.emplace(load_inspector(options));
    const auto trained = local ? local->model().trained : gradcon::io::load_trained<float>(options.model);
    std::size_t parameters = 0;
    gradcon::for_each_tensor([&](const auto& tensor) { parameters += tensor.size(); }, trained.params);
    std::printf("%s: format version %s, %zu parameters, checksum %s\n", options.model.c_str(),
                file.metadata().at("format_version").c_str(), parameters,
                file.metadata().contains("checksum") ? "right" : "none");
    if (local) print_features(*local);
    else print_input(trained.input);
    std::printf("encoder:\n%sdecoder:\n%s", layers(trained.model.encoder).c_str(),
                layers(trained.model.decoder).c_str());
    std::printf("policy: alpha %g, beta %g, %llu updates of the reference; monitored:", trained.policy.options().alpha,
                trained.policy.options().beta, static_cast<unsigned long long>(trained.policy.reference().updates()));
    for (const auto& name : trained.policy.names()) std::printf(" %s", name.c_str());
    std::printf("\nscore: %s%s\n", gradcon::score_rule_names[trained.score_rule.index()],
                terms(trained.score_rule).c_str());
    print_calibration("calibration", trained.calibration);
    if (local) print_calibration("calibration of regions", local->model().regions);
    for (const auto& [key, text] : trained.notes) std::printf("%s: %s\n", key.c_str(), text.c_str());
    return 0;
}

int selftest(const Options& options) {
    const auto start = std::chrono::steady_clock::now();
    load_model(options); // its self-test is part of that
    const std::chrono::duration<double, std::milli> loading = std::chrono::steady_clock::now() - start;
    const bool tested = gradcon::io::read_safetensors(options.model).find("self_test.samples") != nullptr;
    std::printf("%s: %s, loaded in %.1f ms\n", options.model.c_str(),
                tested ? "two samples score as they did where the model was saved" : "no self-test in the file",
                loading.count());
    return 0;
}
