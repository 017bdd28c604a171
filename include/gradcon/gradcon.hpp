#pragma once

// gradcon: gradient-based anomaly detection. The method, in twenty lines; the product (detector.hpp, explainer.hpp) and
// the leaves (io, data, testing) are included by name:
//
//     auto model = gradcon::models::paper_cae(1);                       // a value: layers and their sizes
//     gradcon::Rng rng(0);
//     auto params = model.init<float>(rng);                             // a tree of tensors
//     gradcon::GradCon policy{params.decoder, {.alpha = 0.03, .beta = 0.12}};   // watches its convolution weights
//     gradcon::Adam adam{params, {.learning_rate = 1e-3}};
//     gradcon::fit(model, params, policy, adam, images, rng, {.epochs = 100, .validation = held_out});
//
//     const gradcon::Scorer scorer{model, params, policy};              // const, for any number of threads
//     gradcon::ThreadPool threads;
//     const auto scores = gradcon::score_each(scorer, unseen, threads); // higher = more anomalous
//     const double quality = gradcon::auroc(scores.score, is_anomaly);
//
// Images are float or double tensors N x height x width x channels with values in [0, 1].
// Floors: tensor, simd < tree, algebra, kernels < nn, constraint, optim < objective, fit, score, metrics, calibration.

#include "gradcon/algebra.hpp"
#include "gradcon/attribution.hpp"
#include "gradcon/calibration.hpp"
#include "gradcon/constraint/gradcon.hpp"
#include "gradcon/drift.hpp"
#include "gradcon/executor.hpp"
#include "gradcon/fit.hpp"
#include "gradcon/intervals.hpp"
#include "gradcon/metrics.hpp"
#include "gradcon/nn/autoencoder.hpp"
#include "gradcon/nn/chain.hpp"
#include "gradcon/nn/models.hpp"
#include "gradcon/nn/sequential.hpp"
#include "gradcon/objective.hpp"
#include "gradcon/optim/adam.hpp"
#include "gradcon/optim/sgd.hpp"
#include "gradcon/random.hpp"
#include "gradcon/score.hpp"
#include "gradcon/score_policies.hpp"
#include "gradcon/statistics.hpp"
#include "gradcon/tensor.hpp"
#include "gradcon/version.hpp"
