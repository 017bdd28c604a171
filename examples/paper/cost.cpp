#include "tables.hpp"

Section cost(Study& study) {
    Table table{
        "cost",
        "Cost: parameters and time for an image",
        "Time to score one image of 28 x 28 with all terms of the loss: the best of five runs over 64 images for each "
        "thread, measured anew in every run.",
        "network",
        {}};
    const std::string alone = "µs for an image, one thread",
                      together = "images/s, " + std::to_string(study.threads.workers()) + " threads";
    for (const bool variational : {false, true})
        for (const std::size_t channels : {1U, 3U}) {
            const Cost measured = study.measure(variational, channels);
            const std::string row = std::string(variational ? "VAE" : "CAE") + ", " + std::to_string(channels) +
                                    (channels > 1 ? " channels" : " channel");
            table.entries.push_back({row, "parameters", static_cast<double>(measured.parameters)});
            table.entries.push_back({row, alone, measured.seconds_alone * 1e6});
            table.entries.push_back({row, together, measured.images_per_second});
        }
    return {std::move(table), {}};
}
