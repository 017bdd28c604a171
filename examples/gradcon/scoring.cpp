#include "scoring.hpp"

#include <gradcon/core/executor.hpp>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <span>
#include <utility>

namespace {

/// A model with a thread's workspace for it.
class Worker {
  public:
    explicit Worker(const Model& model) : model_(&model) {
        if (model.whole() != nullptr) whole_.emplace(model.whole()->workspace());
        else local_.emplace(model.local()->workspace());
    }

    void score(Scored& scored) {
        scored.sample.load();
        if (whole_) score_whole(*model_->whole(), scored);
        else inspect(*model_->local(), scored);
    }

  private:
    void score_whole(const Detector& detector, Scored& scored) {
        const auto statistics = scored.sample.is_picture()
                                    ? detector.statistics(gradcon::view_of(scored.sample.picture), *whole_)
                                    : detector.statistics(std::span<const double>(scored.sample.rows), *whole_);
        scored.statistics.add(statistics);
        scored.verdict = detector.verdict(statistics);
        scored.verdict.cosine = scored.statistics[gradcon::Statistic::cosine];
    }

    void inspect(const Inspector& inspector, Scored& scored) {
        const auto picture = gradcon::view_of(scored.sample.picture);
        const gradcon::Inspection inspection = inspector.inspect(picture, *local_);
        scored.verdict.score = inspection.score;
        scored.verdict.p_value = inspection.p_value;
        scored.verdict.anomalous = inspection.anomalous;
        scored.map.assign(inspection.map.begin(), inspection.map.end());
        scored.map_width = inspection.width;
        scored.regions.assign(inspection.regions.begin(), inspection.regions.end());
        std::ranges::stable_sort(scored.regions, std::ranges::greater{}, &gradcon::Region::peak);
    }

    const Model* model_;
    std::optional<gradcon::DetectorWorkspace<float>> whole_;
    std::optional<Inspector::Workspace> local_;
};

} // namespace

void score_one(const Model& model, Scored& scored) {
    try {
        Worker(model).score(scored);
    } catch (const gradcon::FileError&) { throw; } catch (const gradcon::Error& error) {
        throw gradcon::FileError(scored.sample.name + ": " + error.what());
    }
}

ScoringResult score_all(const Model& model, Source& source, const Options& options,
                        const std::function<void(Scored&)>& visit) {
    gradcon::ThreadPool threads(options.threads);
    std::vector<Worker> workers;
    workers.reserve(threads.workers());
    for (std::size_t i = 0; i < threads.workers(); ++i) workers.emplace_back(model);
    const std::size_t at_once = 8 * threads.workers();
    ScoringResult result;
    for (bool more = true; more;) {
        std::vector<Scored> block;
        // what is there already is scored before more is waited for
        for (Sample sample;
             block.size() < at_once && (block.empty() || !source.waits()) && (more = source.next(sample));)
            block.push_back({.sample = std::move(sample), .verdict = {}, .statistics = {}});
        threads.run(block.size(), [&](std::size_t i, std::size_t worker) {
            try {
                workers[worker].score(block[i]);
            } catch (const gradcon::FileError& error) {
                block[i].error = error.what();
            } catch (const gradcon::Error& error) { block[i].error = block[i].sample.name + ": " + error.what(); }
        });
        for (Scored& scored : block) {
            if (scored.error.empty()) {
                ++result.scored;
                visit(scored);
                continue;
            }
            if (!options.keep_going)
                throw gradcon::FileError(scored.error); // the first one, whichever thread was first
            ++result.left_out;
            std::fprintf(stderr, "left out: %s\n", scored.error.c_str());
        }
    }
    return result;
}
