#pragma once

// gradcon: gradient-based anomaly detection. The method, in twenty lines; the product (detector.hpp) and
// the leaves (io, data, testing) are included by name:
//
//     auto model = gradcon::models::paper_cae(1);                       // a value: layers and their sizes
//     gradcon::Rng rng(0);
//     auto params = model.init(rng);                             // a tree of tensors
//     gradcon::GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}};   // watches its convolution weights
//     gradcon::Adam adam{params, {.learning_rate = 1e-3}};
//     gradcon::fit(model, params, policy, adam, images, rng, {.epochs = 100, .validation = held_out});
//
//     const gradcon::Scorer scorer{model, params, policy};              // const, for any number of threads
//     gradcon::ThreadPool threads;
//     const auto scores = gradcon::score_each(scorer, unseen, threads); // higher = more anomalous
//     const double quality = gradcon::auroc(scores.score(), is_anomaly);
//
// Images are float or double tensors N x height x width x channels with values in [0, 1].
// docs/architecture.md draws the floors: a header includes only lower ones.

#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/core/executor.hpp"
#include "gradcon/core/random.hpp"
#include "gradcon/core/tensor.hpp"
#include "gradcon/evaluation/calibration.hpp"
#include "gradcon/evaluation/drift.hpp"
#include "gradcon/evaluation/intervals.hpp"
#include "gradcon/evaluation/metrics.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/models.hpp"
#include "gradcon/nn/residual.hpp"
#include "gradcon/nn/sequential.hpp"
#include "gradcon/nn/to_chain.hpp"
#include "gradcon/optim/adam.hpp"
#include "gradcon/optim/sgd.hpp"
#include "gradcon/scoring/attribution.hpp"
#include "gradcon/scoring/score_rules.hpp"
#include "gradcon/scoring/scorer.hpp"
#include "gradcon/scoring/statistics.hpp"
#include "gradcon/training/callbacks.hpp"
#include "gradcon/training/fit.hpp"
#include "gradcon/training/gradient.hpp"
#include "gradcon/training/objective.hpp"
#include "gradcon/tree/algebra.hpp"
#include "gradcon/tree/named.hpp"
#include "gradcon/version.hpp"

#ifdef GRADCON_COMPILED
#include "gradcon/compiled/method.hpp"
#endif
