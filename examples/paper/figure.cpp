#include "figure.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace {

/// What a shell command prints; its exit status. Standard error is the shell's own.
struct Output {
    std::string text;
    int status;
};

Output output_of(const std::string& command) {
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) throw std::runtime_error("no shell can be started for: " + command);
    Output output{};
    std::array<char, 4096> part{};
    while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe))
        output.text.append(part.data(), count);
    output.status = pclose(pipe);
    return output;
}

} // namespace

std::string plot(const Axes& axes, const std::vector<Series>& series, const std::string& style) {
    std::ostringstream script;
    const std::size_t legend_rows = (series.size() + 1) / 2; // below the plot, two names to a row
    script << "set encoding utf8\nset terminal svg size 420," << 270 + 18 * legend_rows
           << " dynamic font 'sans-serif,13' background '#ffffff'\n"
              "set key bmargin center horizontal maxcols 2 samplen 1.5 noautotitle font ',11'\n"
              "set border 3 lc '#888888'\nset tics nomirror\nset grid lc '#e4e4e4' lt 1\n";
    std::size_t linetype = 0;
    for (const char* colour :
         {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#888888"}) {
        ++linetype;
        script << "set linetype " << linetype << " lc rgb '" << colour << "' lw 2 pt 7 ps 0.5\n";
    }
    script << "set title \"" << axes.title << "\"\nset xlabel \"" << axes.x << "\" offset 0,0.5\nset ylabel \""
           << axes.y << "\"\n"
           << axes.more << "\n";
    std::string plots;
    for (std::size_t i = 0; i < series.size(); ++i) {
        std::ostringstream points;
        for (const auto& [x, y] : series[i].points)
            if (std::isfinite(x) && std::isfinite(y)) points << x << ' ' << y << '\n';
        if (points.str().empty()) continue;
        const std::string data = "$series" + std::to_string(i);
        script << data << " << END\n" << points.str() << "END\n";
        plots += (plots.empty() ? "plot " : ", ") + data + " with " + style + " lt " + std::to_string(i + 1) +
                 (style == "fillsteps" ? " fs transparent solid 0.4" : "") + " title \"" + series[i].name + "\"";
    }
    if (plots.empty()) return {};
    script << plots << "\n";
    return script.str();
}

std::string draw(const std::string& script_path) {
    std::string quoted = "'";
    for (const char c : script_path) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    const Output svg = output_of("gnuplot " + quoted + "'");
    if (svg.status != 0 || svg.text.find("</svg>") == std::string::npos)
        throw std::runtime_error(script_path + ": gnuplot cannot draw it");
    return svg.text;
}

bool can_draw() { return output_of("gnuplot --version 2>/dev/null").status == 0; }
