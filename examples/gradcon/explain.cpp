#include "explanation.hpp"
#include "scoring.hpp"

#include "readers/png.hpp"

#include <cstdio>
#include <span>
#include <string>
#include <variant>

namespace {

void print_rows(const Sample& sample, const Explained& explained, const gradcon::TableInput& table) {
    std::printf("%-20s %12s %12s %12s %12s\n", "column", "value", "given back", "error", "attribution");
    for (const auto& number : explained_numbers(sample, explained, table))
        std::printf("%-20s %12.6g %12.6g %12.6g %12.6g\n", number.column.c_str(), number.value, number.given_back,
                    number.error, number.attribution);
}

} // namespace

int explain(const Options& options) {
    const Detector detector = load_detector(options);
    const auto source = open_sources(options.inputs, input_options(options, detector));
    check_input(detector, *source, options.inputs.front());
    Sample sample;
    if (!source->next(sample)) throw gradcon::FileError(options.inputs.front() + ": there is no sample");
    sample.load();
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
