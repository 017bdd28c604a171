#pragma once

#include "figure.hpp"
#include "study.hpp"
#include "table.hpp"

#include <functional>
#include <string>
#include <vector>

/// A part of the page: a table, and figures to it.
struct Section {
    Table table;
    std::vector<Figure> figures;
};

/// A TABLE of the command line.
struct Topic {
    std::string name;
    std::vector<std::string> sets; // that it needs
    std::function<std::vector<Experiment>(const Options&)> experiments;
    std::function<std::vector<Section>(Study&)> sections;
};

std::string set_name(const std::string& set);

std::vector<Section> auroc_by_class(Study& study, const std::string& set);
std::vector<Section> by_outlier_ratio(Study& study);
Section by_network(Study& study);
Section by_condition(Study& study);
Section cost(Study& study);

std::vector<Experiment> of_all_networks(const Options& options);
