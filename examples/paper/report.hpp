#pragma once

#include "options.hpp"
#include "tables.hpp"

#include <string>
#include <vector>

/// What goes into the folder `out`: for each table NAME.csv and NAME.md, its figures under figures/, and index.html
/// with all tables so far.
class Report {
  public:
    /// @param command line that leads here, for the page
    Report(const Options& options, std::string command);

    /// Writes the section's files, and the page anew.
    void add(const Section& section);

  private:
    std::string page() const;

    const Options& options_;
    std::string command_;
    bool can_draw_;
    std::vector<std::string> names_, titles_, html_; // of the sections
};
