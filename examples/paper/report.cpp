#include "report.hpp"
#include "../html.hpp"
#include "curve.hpp"
#include "reported.hpp"

#include <gradcon/io/file.hpp>
#include <gradcon/version.hpp>

#include <cstdio>

namespace {

constexpr const char* style = R"(
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:70rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.25rem;margin:2.5rem 0 .5rem;border-top:1px solid #ddd;padding-top:1.2rem}
p{max-width:46rem}a{color:#0057a8}code{background:#f4f4f4;padding:.1rem .3rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem}dt{color:#666}dd{margin:0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #eee;vertical-align:top}
th{font-weight:600}thead th{vertical-align:bottom;border-bottom:2px solid #bbb}
th:first-child{text-align:left;white-space:nowrap;position:sticky;left:0;background:#fff}
td small{display:block;color:#777;white-space:nowrap}tr.mean>*{border-top:2px solid #bbb;font-weight:600}
tr.mean small{font-weight:400}tr.reported>*{font-style:italic;font-weight:400;color:#555}
.figures{display:flex;flex-wrap:wrap;gap:1rem;margin-top:1rem}figure{margin:0;flex:0 1 21rem;break-inside:avoid}
figure img{width:100%;height:auto;display:block}figure.picture{flex:1 1 100%}
figure.picture img{max-width:37.5rem;image-rendering:pixelated}figcaption{font-size:.85rem;color:#555}
@media print{html{font-size:9px}body{max-width:none;font-size:1rem}.wide{overflow:visible}th,td{padding:.1rem .3rem}
figure{flex-basis:30%}figure.picture{flex-basis:100%}h2{break-after:avoid}tr{break-inside:avoid}}
)";

std::string html(const Table& table) {
    const auto columns = table.keys(&Entry::column);
    std::string text = "<div class=\"wide\"><table><thead><tr><th>" + escaped(table.rows_are) + "</th>";
    for (const std::string& column : columns) text += "<th>" + escaped(column) + "</th>";
    text += "</tr></thead><tbody>\n";
    for (const std::string& row : table.keys(&Entry::row)) {
        const bool by_others =
            std::ranges::any_of(table.entries, [&](const Entry& e) { return e.row == row && e.reported; });
        text += row == "mean" ? "<tr class=\"mean\">" : by_others ? "<tr class=\"reported\">" : "<tr>";
        text += "<th>" + escaped(row) + (by_others ? " (reported)" : "") + "</th>";
        for (const std::string& column : columns) {
            text += "<td>";
            if (const Entry* e = table.find(row, column)) {
                text += readable(e->value);
                if (!std::isnan(e->spread)) text.append(" ±").append(readable(e->spread));
                if (!std::isnan(e->low)) text += "<small>" + readable(e->low) + " – " + readable(e->high) + "</small>";
            }
            text += "</td>";
        }
        text += "</tr>\n";
    }
    return text + "</tbody></table></div>\n";
}

std::string listed(const std::vector<std::uint64_t>& numbers) {
    std::string text;
    for (const std::uint64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
    return text;
}

} // namespace

Report::Report(const Options& options, std::string command)
    : options_(options), command_(std::move(command)), can_draw_(can_draw()) {
    std::filesystem::create_directories(std::filesystem::path(options.out) / "figures");
    if (!can_draw_) std::fputs("no gnuplot here: the plots are left out\n", stderr);
}

void Report::add(const Section& section) {
    const std::filesystem::path out = options_.out, figures = out / "figures";
    const Table& table = section.table;
    write_text(out / (table.name + ".csv"), csv(table));
    write_text(out / (table.name + ".md"), markdown(table) + "\n" + reading + "\n");
    std::string text = "<h2 id=\"" + table.name + "\">" + escaped(table.title) + "</h2>\n<p>" + escaped(table.remark) +
                       "</p>\n" + html(table) + "<div class=\"figures\">\n";
    for (const Figure& figure : section.figures) {
        const bool is_picture = !figure.png.empty();
        std::string source;
        if (is_picture) {
            gradcon::io::replace_file(figures / (figure.name + ".png"), std::as_bytes(std::span(figure.png)));
            source = "data:image/png;base64," + base64(figure.png);
        } else if (!figure.script.empty()) {
            const auto script = figures / (figure.name + ".gnuplot");
            write_text(script, figure.script);
            if (!can_draw_) continue;
            const std::string svg = draw(script.string());
            write_text(figures / (figure.name + ".svg"), svg);
            source =
                "data:image/svg+xml;base64," + base64({reinterpret_cast<const std::uint8_t*>(svg.data()), svg.size()});
        } else continue;
        text += "<figure" + std::string(is_picture ? " class=\"picture\"" : "") + "><img alt=\"" +
                escaped(figure.name) + "\" src=\"" + source + "\"><figcaption>" + escaped(figure.caption) +
                "</figcaption></figure>\n";
    }
    names_.push_back(table.name);
    titles_.push_back(table.title);
    html_.push_back(text + "</div>\n");
    write_text(out / "index.html", page());
}

std::string Report::page() const {
    std::string text = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<title>GradCon: the paper's tables</title>\n<style>" +
                       std::string(style) + "</style></head><body>\n<h1>GradCon: the paper's tables</h1>\n";
    text += "<p>Gradient-based anomaly detection after Kwon, Prabhushankar, Temel and AlRegib, <em>Backpropagated "
            "Gradient Representations for Anomaly Detection</em> (ECCV 2020), trained and scored by gradcon " +
            std::to_string(GRADCON_VERSION_MAJOR) + "." + std::to_string(GRADCON_VERSION_MINOR) + "." +
            std::to_string(GRADCON_VERSION_PATCH) + ".</p>\n";
    if (options_.quick)
        text += "<p><strong>A trial with few images, epochs and classes: its numbers are no result.</strong></p>\n";
    const std::string images = options_.most_images == SIZE_MAX
                                   ? "all of the protocol"
                                   : "at most " + std::to_string(options_.most_images) + " of each part";
    text += "<dl><dt>command</dt><dd><code>" + escaped(command_) + "</code></dd><dt>epochs</dt><dd>" +
            std::to_string(options_.epochs) + ", the best by validation kept</dd><dt>seeds</dt><dd>" +
            listed(options_.seeds) + "</dd><dt>normal classes</dt><dd>" + listed(options_.classes) +
            "</dd><dt>images</dt><dd>" + images + "</dd></dl>\n<ul>\n";
    for (std::size_t i = 0; i < names_.size(); ++i)
        text += "<li><a href=\"#" + names_[i] + "\">" + escaped(titles_[i]) + "</a> (" + names_[i] + ".csv, " +
                names_[i] + ".md)</li>\n";
    text += "</ul>\n<p>" + escaped(reading) + "</p>\n";
    for (const std::string& section : html_) text += section;
    return text + "</body></html>\n";
}
