// Everything that the paper reports, on the images at hand.
#include "report.hpp"
#include "rules.hpp"
#include "study.hpp"
#include "tables.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <set>

namespace {

const std::vector<Topic>& topics() {
    const auto of_set = [](const std::string& set) {
        return [set](const Options& options) { return experiments(options, set); };
    };
    const auto table_of_set = [&](const std::string& set) {
        return Topic{set, {set}, of_set(set), [set](Study& study) { return auroc_by_class(study, set); }};
    };
    const auto one = [](Section (*section)(Study&)) {
        return [section](Study& study) { return std::vector{section(study)}; };
    };
    static const std::vector<Topic> all{
        table_of_set("mnist"),
        table_of_set("fmnist"),
        table_of_set("cifar10"),
        {"rules", {"mnist", "fmnist", "cifar10"}, of_all_sets, by_rule},
        {"conditions", {"fmnist"}, of_set("fmnist"), one(by_condition)},
        {"networks", {"cifar10"}, of_all_networks, one(by_network)},
        {"cost", {}, [](const Options&) { return std::vector<Experiment>{}; }, one(cost)}};
    return all;
}

/// Those asked for, or all whose images are there.
std::vector<Topic> chosen(const Study& study) {
    const auto& asked = study.options.tables;
    for (const std::string& table : asked)
        if (std::ranges::find(topics(), table, &Topic::name) == topics().end())
            throw std::runtime_error("there is no table " + table + ": see --help");
    std::vector<Topic> all;
    for (const Topic& topic : topics()) {
        if (!asked.empty() && std::ranges::find(asked, topic.name) == asked.end()) continue;
        const auto missing =
            std::ranges::find_if(topic.sets, [&](const std::string& set) { return !study.sets.has(set); });
        if (missing == topic.sets.end()) all.push_back(topic);
        else if (asked.empty())
            study.progress.say(topic.name + " is left out: it needs images, --" + *missing + " DIR");
        else throw std::runtime_error(topic.name + " needs images: give their folder with --" + *missing);
    }
    return all;
}

void run(const Options& options, const std::string& command) {
    Study study(options);
    const auto all = chosen(study);
    std::set<std::string> names;
    for (const Topic& topic : all)
        for (const Experiment& e : topic.experiments(options))
            if (names.insert(e.name()).second)
                study.progress.expect(static_cast<double>(study.sets.split(e).train.size() * options.epochs));
    Report report(options, command);
    for (const Topic& topic : all) {
        study.progress.say("table " + topic.name);
        for (const Section& section : topic.sections(study)) report.add(section);
    }
    study.progress.say("all tables and figures: " + options.out + "/index.html");
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc == 2 && std::string_view(argv[1]) == "--help") return std::fputs(usage, stdout) < 0;
        std::string command = "paper";
        for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
        run(parse_options(argc, argv), command);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "paper: %s\n", error.what());
        return 1;
    }
}
