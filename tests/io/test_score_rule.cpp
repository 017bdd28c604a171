// Profiles and score rules in model files.
#include "edit_file.hpp"
#include "random_detector.hpp"

#include <gradcon/io/detector_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>

using namespace gradcon;

namespace {

constexpr Statistic terms[]{Statistic::code_distance, Statistic::cosine};

} // namespace

TEST_SUITE("score rules in files") {
    TEST_CASE("a model file keeps the profile and any rule: the same scores, bit for bit") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small_detector();
        const auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const Scores normal = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
        const std::vector<AnyScoreRule> rules{GradConScore{},
                                              CodeDistanceScore{},
                                              FinishedAlignmentScore{},
                                              StandardizedSum::fit(terms, normal),
                                              ConformalSum::fit(terms, normal),
                                              LogNormDensityScore::fit(normal)};
        for (const auto& rule : rules) {
            io::save_model(path, t.model, t.params, t.policy, profile, rule);
            const auto loaded = io::load_trained<float>(path);
            CHECK(loaded.score_rule.index() == rule.index());
            const Scorer scorer{loaded.model, loaded.params, loaded.policy, loaded.profile};
            CHECK(scores_by(loaded.score_rule, score_each(scorer, t.images, t.serial)) == scores_by(rule, normal));
            auto other = small_detector();
            io::load_model(path, other.model, other.params, other.policy); // into a model without either
            GradientProfile<float> its_profile;
            AnyScoreRule its_rule;
            io::load_model(path, other.model, other.params, other.policy, its_profile, its_rule);
            const Scorer same{other.model, other.params, other.policy, its_profile};
            CHECK(scores_by(its_rule, score_each(same, t.images, t.serial)) == scores_by(rule, normal));
        }
        const auto codeless = fit_profile(t.model, t.params, t.policy, t.images, t.serial, {.largest_code = 1});
        io::save_model(path, t.model, t.params, t.policy, codeless, FinishedAlignmentScore{});
        const auto loaded = io::load_trained<float>(path);
        CHECK(loaded.profile.mean == codeless.mean);
        CHECK(loaded.profile.weight == codeless.weight);
        CHECK(!loaded.profile.has_codes());
        auto profile_before = profile;
        AnyScoreRule rule_before = GradientScore{};
        io::save_model(path, t.model, t.params, t.policy); // of neither
        io::load_model(path, t.model, t.params, t.policy, profile_before, rule_before);
        CHECK(profile_before.mean.empty());
        CHECK(!profile_before.has_codes());
        CHECK(rule_before.index() == 0);
    }

    TEST_CASE("a profile or a score rule that does not fit is neither saved nor loaded") {
        const TemporaryFolder folder;
        const auto path = folder.path / "model.safetensors";
        auto t = small_detector();
        const auto profile = fit_profile(t.model, t.params, t.policy, t.images, t.serial);
        const auto codeless = fit_profile(t.model, t.params, t.policy, t.images, t.serial, {.largest_code = 1});
        const Scores normal = score_each(Scorer{t.model, t.params, t.policy, profile}, t.images, t.serial);
        io::save_model(path, t.model, t.params, t.policy, profile, LogNormDensityScore::fit(normal));
        const auto before = io::read_file(path);
        const auto not_saved = [&](const GradientProfile<float>& other, const AnyScoreRule& rule,
                                   std::initializer_list<std::string_view> words) {
            return throws_naming<ValueError>([&] { io::save_model(path, t.model, t.params, t.policy, other, rule); },
                                             words);
        };
        for (const auto member : {&GradientProfile<float>::mean, &GradientProfile<float>::weight}) {
            auto wrong = profile;
            (wrong.*member)[0].pop_back();
            CHECK_THROWS_AS(io::save_model(path, t.model, t.params, t.policy, wrong), ShapeError);
            (wrong.*member).pop_back();
            CHECK_THROWS_AS(io::save_model(path, t.model, t.params, t.policy, wrong), ShapeError);
        }
        auto wrong = profile;
        wrong.code_whitening.pop_back();
        CHECK_THROWS_AS(io::save_model(path, t.model, t.params, t.policy, wrong), ShapeError);
        wrong = profile;
        wrong.code_mean[3] = std::numeric_limits<double>::infinity();
        CHECK(not_saved(wrong, {}, {"profile.code_mean", "inf"}));
        wrong = profile;
        wrong.code_whitening[0] = std::numeric_limits<float>::quiet_NaN();
        CHECK(not_saved(wrong, {}, {"profile.code_whitening", "nan"}));
        for (const auto& widths : {std::vector<std::size_t>{4}, {3, 5}, {4, 5, 6}}) { // policies of other networks
            const auto other = models::cae({.height = 9, .width = 12, .channels = 2, .widths = widths});
            const GradCon policy{other.init(t.rng).decoder, {}};
            CHECK_THROWS_AS(io::save_model(path, t.model, t.params, policy), ShapeError);
        }
        const auto sum = StandardizedSum::fit(terms, normal);
        const auto with = [&](Statistic statistic, std::size_t values, double scale = 1) {
            return StandardizedSum{
                {StandardizedStatistic(statistic, std::vector<double>(values), std::vector<double>(values, 1), scale)}};
        };
        CHECK(not_saved({}, CodeDistanceScore{}, {"profile with codes"}));
        CHECK(not_saved(codeless, CodeDistanceScore{}, {"profile with codes"}));
        CHECK(not_saved({}, FinishedAlignmentScore{}, {"a profile"}));
        CHECK(not_saved(codeless, sum, {"profile with codes"}));
        CHECK(not_saved({}, with(Statistic::fisher_norm, 2), {"a profile"}));
        CHECK(not_saved(profile, with(Statistic::cosine, 1), {"needs 1 monitored", "has 2 monitored"}));
        CHECK(not_saved(profile, with(Statistic::code_distance, 2), {"2 values of code_distance", "one"}));
        CHECK(not_saved(profile, with(Statistic::cosine, 2, std::numeric_limits<double>::infinity()), {"inf"}));
        CHECK(not_saved(profile, StandardizedSum{}, {"one term"}));
        CHECK(not_saved(profile, StandardizedSum{{8, sum.terms[0]}}, {"at most 7"}));
        CHECK(not_saved(profile, ConformalSum{sum, {}}, {"normal values"}));
        CHECK(not_saved(profile, ConformalSum{sum, {{1}, {}}}, {"normal values"}));
        CHECK(not_saved(profile, ConformalSum{sum, {{1}, {2, 1}}}, {"ascend"}));
        CHECK(not_saved(profile, LogNormDensityScore{{1}, {1}}, {"needs 1 monitored", "has 2 monitored"}));
        CHECK(io::read_file(path) == before);

        const auto refused = [&](const std::string& metadata, std::initializer_list<std::string_view> words,
                                 const char* without = "none") {
            const auto hostile = folder.path / "hostile.safetensors";
            std::filesystem::copy_file(path, hostile, std::filesystem::copy_options::overwrite_existing);
            edit_file(hostile, [&](auto& all, auto& tensors) {
                all["score_policy"] = metadata;
                std::erase_if(tensors, [&](const auto& tensor) { return tensor.name.starts_with(without); });
            });
            return throws_naming<FileError>([&] { io::load_trained<float>(hostile); }, words);
        };
        CHECK(refused(R"([])", {"score_policy"}));
        CHECK(refused(R"([{"type":"astrology"}])", {"astrology"}));
        CHECK(refused(R"([{"type":"standardized_sum"}])", {"one term"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"weight","scale":1}])", {"weight"}));
        CHECK(refused(R"([{"type":"conformal_sum"},{"statistic":"cosine","scale":1}])", {"score_policy.0.normal"}));
        CHECK(refused(R"([{"type":"gradcon"}])", {"unexpected tensor", "score_policy.0"}));
        CHECK(refused(R"([{"type":"gradcon","beta":2}])", {"unknown keys", "beta"}));
        CHECK(refused(R"([{"type":"gradcon"},{}])", {"terms"}));
        CHECK(refused(R"([{"type":"log_norm_density"},{}])", {"terms"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"cosine","scale":1,"mean":2}])", {"unknown keys"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"cosine","scale":1e999}])", {"score_policy"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"code_distance","scale":1}])",
                      {"2 values of code_distance"}));
        std::string many = R"([{"type":"standardized_sum"})";
        for (int i = 0; i < 8; ++i) many += R"(,{"statistic":"cosine","scale":1})";
        CHECK(refused(many + "]", {"score_policy"}));
        CHECK(refused(R"([{"type":"standardized_sum"},{"statistic":"fisher_norm","scale":1}])", {"a profile"},
                      "profile"));
        CHECK(refused(R"([{"type":"log_norm_density"}])", {"code_whitening is missing"}, "profile.code_wh"));
        CHECK(refused(R"([{"type":"log_norm_density"}])", {"unexpected tensor profile"}, "profile.mean.0"));
        CHECK(refused(R"([{"type":"code_distance"}])", {"profile with codes"}, "profile.code"));
    }
}
