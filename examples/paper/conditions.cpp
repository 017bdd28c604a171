#include "columns.hpp"
#include "tables.hpp"

#include "made_conditions.hpp"
#include <gradcon/evaluation/metrics.hpp>

#include <map>

namespace {

gradcon::Tensor<std::uint8_t, 4> to_bytes(const Images& images) {
    gradcon::Tensor<std::uint8_t, 4> bytes;
    bytes.resize(images.shape());
    std::transform(images.begin(), images.end(), bytes.begin(),
                   [](float value) { return static_cast<std::uint8_t>(value * 255 + 0.5F); });
    return bytes;
}

Images to_floats(const gradcon::Tensor<std::uint8_t, 4>& bytes) {
    Images images;
    images.resize(bytes.shape());
    std::transform(bytes.begin(), bytes.end(), images.begin(),
                   [](std::uint8_t byte) { return static_cast<float>(byte) / 255; });
    return images;
}

Images normal_test_images(const Data& data) {
    const auto count = static_cast<std::size_t>(std::ranges::count(data.anomalous, std::uint8_t{0})); // they come first
    Images normal;
    normal.resize({count, data.test.shape()[1], data.test.shape()[2], data.test.shape()[3]});
    std::copy_n(data.test.data(), normal.size(), normal.data());
    return normal;
}

gradcon::Scores joined(gradcon::Scores first, const gradcon::Scores& second) {
    std::vector<const std::vector<double>*> from;
    for_each_statistic(second, [&](const char*, const std::vector<double>& values) { from.push_back(&values); });
    std::size_t n = 0;
    for_each_statistic(first, [&](const char*, std::vector<double>& values) {
        values.insert(values.end(), from[n]->begin(), from[n]->end());
        ++n;
    });
    return first;
}

} // namespace

Section by_condition(Study& study) {
    using paper::Condition;
    Table table{
        "conditions",
        "Fashion-MNIST under conditions: AUROC by condition and level",
        "After the paper's experiment with CURE-TSR: normal are test images of the normal class, anomalous the same "
        "images under one condition and level. Conditions and levels are simple models of our own, not CURE-TSR's; "
        "images of one channel have no colour to lose, so under decolorization nothing can be told apart. Means "
        "over the classes.",
        "condition, level",
        {}};
    const auto all = experiments(study.options, "fmnist");
    std::map<std::pair<Condition, int>, std::map<std::string, double>> mean;
    std::vector<std::string> names;
    for (const Experiment& e : all) {
        const auto validation = study.scored(e).validation;
        const Images normal = normal_test_images(study.sets.data(e));
        const auto bytes = to_bytes(normal);
        const std::size_t count = normal.shape()[0];
        std::vector<Part> parts{{"normal", [&] { return normal; }, std::vector<std::uint8_t>(count, 0)}};
        for (const Condition condition : paper::all_conditions)
            for (int level = 1; level <= 5; ++level)
                parts.push_back({file_name(std::string(paper::name(condition))) + "-" + std::to_string(level),
                                 [&bytes, &e, condition, level] {
                                     gradcon::Rng rng(e.seed); // for every level, which adds to the one before
                                     return to_floats(paper::apply(condition, level, bytes, rng));
                                 },
                                 std::vector<std::uint8_t>(count, 1)});
        const auto scores = study.scores(e, "scores-conditions", parts);
        std::vector<std::uint8_t> anomalous(count, 0);
        anomalous.resize(2 * count, 1);
        std::size_t part = 1;
        for (const Condition condition : paper::all_conditions)
            for (int level = 1; level <= 5; ++level)
                for (const Column& column : columns({validation, joined(scores[0], scores[part++]), anomalous})) {
                    mean[{condition, level}][column.name] +=
                        gradcon::auroc(column.scores, anomalous) / static_cast<double>(all.size());
                    if (std::ranges::find(names, column.name) == names.end()) names.push_back(column.name);
                }
    }
    std::vector<Figure> figures;
    std::map<std::string, double> overall;
    for (const Condition condition : paper::all_conditions) {
        const std::string name(paper::name(condition));
        std::vector<Series> series;
        for (const std::string& column : names) {
            series.push_back({column});
            for (int level = 1; level <= 5; ++level) {
                const double value = mean[{condition, level}][column];
                table.entries.push_back({name + ", " + std::to_string(level), column, value});
                series.back().points.push_back({static_cast<double>(level), value});
                overall[column] += value / 60;
            }
        }
        figures.push_back({"conditions-" + file_name(std::string(paper::name(condition))), "",
                           plot({name, "level", "AUROC", "set xrange [0.8:5.2]\nset yrange [0:1]\nset xtics 1"}, series,
                                "linespoints")});
    }
    for (const std::string& column : names) table.entries.push_back({"mean", column, overall[column]});
    return {std::move(table), std::move(figures)};
}
