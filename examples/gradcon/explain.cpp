#include "explanation.hpp"
#include "heat_map.hpp"
#include "scoring.hpp"

#include "readers/png.hpp"

#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <variant>

namespace {

void print_rows(const Sample& sample, const Explained& explained, const gradcon::TableInput& table) {
    std::printf("%-20s %12s %12s %12s %12s\n", "column", "value", "given back", "error", "attribution");
    for (const auto& number : explained_numbers(sample, explained, table))
        std::printf("%-20s %12.6g %12.6g %12.6g %12.6g\n", number.column.c_str(), number.value, number.given_back,
                    number.error, number.attribution);
}

int explain_place(const Model& model, Scored scored, const Options& options) {
    score_one(model, scored);
    if (!options.out.empty()) {
        const Picture sheet = HeatMap(*model.local()).sheet(scored);
        readers::write_png(options.out, gradcon::TensorView<const std::uint8_t, 3>(sheet));
        std::fprintf(stderr, "%s: %s\n", options.out.c_str(), heat_reading);
    }
    const gradcon::Verdict& v = scored.verdict;
    std::printf("%s: score %.6g, p-value %.4g, %s, %zu regions\n", scored.sample.name.c_str(), v.score, v.p_value,
                v.anomalous ? "ANOMALOUS" : "normal", scored.regions.size());
    for (const gradcon::Region& region : scored.regions)
        std::printf("    columns %zu to %zu, rows %zu to %zu: %zu pixels, peak %.6g at column %zu, row %zu, p-value "
                    "%.4g\n",
                    region.box.left, region.box.right, region.box.top, region.box.bottom, region.area, region.peak,
                    region.peak_x, region.peak_y, region.p_value);
    return options.fail_on_anomaly && v.anomalous ? 1 : 0;
}

int explain_whole(const Detector& detector, Sample sample, const Options& options) {
    const gradcon::Explainer explainer{detector};
    auto workspace = explainer.workspace();
    Explained explanation;
    if (const auto* table = std::get_if<gradcon::TableInput>(&detector.trained().input)) {
        explainer.explain(std::span<const double>(sample.rows), workspace, explanation);
        print_rows(sample, explanation, *table);
    } else {
        explainer.explain(gradcon::view_of(sample.picture), workspace, explanation);
    }
    if (!options.out.empty()) {
        if (!sample.is_picture()) throw BadUse{"--out is for pictures, this is a row of a table"};
        const Picture sheet =
            explanation_sheet(sample.picture, explanation, std::get<gradcon::ImageInput>(detector.trained().input));
        readers::write_png(options.out, gradcon::TensorView<const std::uint8_t, 3>(sheet));
        std::fprintf(stderr, "%s: %s\n", options.out.c_str(), sheet_reading);
    }
    const gradcon::Verdict& v = explanation.verdict;
    std::printf("%s: score %.6g, p-value %.4g, %s, reconstruction error %.6f, cosines", sample.name.c_str(), v.score,
                v.p_value, v.anomalous ? "ANOMALOUS" : "normal", v.reconstruction_error);
    for (const double cosine : v.cosine) std::printf(" %.4f", cosine);
    std::printf("\n");
    return options.fail_on_anomaly && v.anomalous ? 1 : 0;
}

} // namespace

int explain(const Options& options) {
    const Model model = load_model(options);
    const auto source = open_sources(options.inputs, input_options(options, model));
    check_input(model, *source, options.inputs.front());
    Sample sample;
    if (!source->next(sample)) throw gradcon::FileError(options.inputs.front() + ": there is no sample");
    if (model.local() != nullptr)
        return explain_place(model, {.sample = std::move(sample), .verdict = {}, .statistics = {}}, options);
    sample.load();
    return explain_whole(*model.whole(), std::move(sample), options);
}
