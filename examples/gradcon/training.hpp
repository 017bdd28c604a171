#pragma once

#include "options.hpp"

#include <gradcon/detector/trained_model.hpp>
#include <gradcon/scoring/score_rules.hpp>

#include <string>

/// The score rule of that name, fitted on normal samples.
gradcon::AnyScoreRule make_score_rule(const std::string& name, const gradcon::Scores& normal);

/// Shall a local model be learnt? When features are asked for; and when nothing is asked for and the input is a folder
/// of pictures larger than the whole-picture autoencoder takes.
bool wants_local(const Options& options);

/// Learns a local model and writes it. @return the exit status
int train_local(const Options& options);

/// How much of the held-out samples the model explains, and a warning when it is next to nothing.
void print_explained(const gradcon::TrainedModel<float>& trained);
