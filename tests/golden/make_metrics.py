#!/usr/bin/env python3
"""scikit-learn's figures for test_metrics.cpp, and SciPy's normal quantiles.

    make_metrics.py > metrics.hpp

Needs scikit-learn and SciPy (written with 1.2.1 and 1.10.1).
"""

import numpy as np
from scipy.stats import norm
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

HEAD = """#pragma once

// Written by make_metrics.py.
// clang-format off

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace golden {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// Scores, and what scikit-learn says of them; `at` is a threshold for the fields from true_positives to f1.
struct MetricsCase {
    const char* name;
    std::vector<double> scores;
    std::vector<std::uint8_t> anomalous;
    double auroc, average_precision, best_f1, best_threshold, fpr_at_95, fpr_at_50;
    double at;
    std::size_t true_positives, false_positives, true_negatives, false_negatives;
    double f1;
    std::vector<double> thresholds, false_positive_rates, recalls, precisions; // at each distinct score
};
"""


def number(value):
    if np.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return repr(float(value))


def numbers(values):
    return "{" + ", ".join(number(v) for v in values) + "}"


def cases():
    rng = np.random.default_rng(7)

    def normal(name, normals, anomalies, shift, digits):
        scores = np.concatenate([rng.normal(size=normals), rng.normal(size=anomalies) + shift]).round(digits)
        labels = np.repeat([0, 1], [normals, anomalies])
        order = rng.permutation(scores.size)
        return name, scores[order], labels[order]

    yield normal("distinct", 25, 15, 1.0, 6)
    yield normal("tied", 30, 20, 0.7, 0)
    yield normal("few anomalies", 90, 3, 1.5, 1)
    yield normal("few normal samples", 2, 50, 0.5, 1)
    yield normal("worse than chance", 20, 20, -1.0, 1)
    yield normal("no overlap", 8, 6, 50.0, 3)
    yield "all tied", np.full(7, 2.5), np.array([0, 1, 0, 0, 1, 0, 0])
    name, scores, labels = normal("infinite", 20, 20, 1.0, 1)
    scores[rng.choice(40, 6, replace=False)] = np.inf
    scores[rng.choice(40, 6, replace=False)] = -np.inf
    yield name, scores, labels


def figures(name, scores, labels):
    # scikit-learn refuses infinite scores, but only the order matters.
    finite = np.clip(scores, -1e6, 1e6)

    def back(threshold):
        return np.sign(threshold) * np.inf if abs(threshold) == 1e6 else threshold

    fpr, tpr, thresholds = roc_curve(labels, finite, drop_intermediate=False)
    fpr, tpr, thresholds = fpr[1:], tpr[1:], thresholds[1:]  # the first point is the origin
    precision, recall, pr_thresholds = precision_recall_curve(labels, finite)
    precision, recall = precision[:-1][::-1], recall[:-1][::-1]
    assert np.array_equal(pr_thresholds[::-1], thresholds) and np.allclose(recall, tpr)
    f1 = np.array([f1_score(labels, finite >= t) for t in thresholds])
    best = np.flatnonzero(np.isclose(f1, f1.max(), rtol=1e-12))[0]  # the highest threshold of equals
    at = float(np.median(finite))
    tn, fp, fn, tp = confusion_matrix(labels, finite >= at).ravel()
    reached = [fpr[tpr >= share - 1e-12].min() for share in (0.95, 0.5)]
    print(f'    {{"{name}",\n     {numbers(scores)},\n     {{{", ".join(str(v) for v in labels)}}},')
    values = [roc_auc_score(labels, finite), average_precision_score(labels, finite), f1[best], back(thresholds[best])]
    print(f'     {", ".join(number(v) for v in values + reached)},')
    print(f"     {number(at)}, {tp}, {fp}, {tn}, {fn}, {number(f1_score(labels, finite >= at))},")
    print(f"     {numbers(map(back, thresholds))},\n     {numbers(fpr)},\n     {numbers(tpr)},\n     {numbers(precision)}}},")


print(HEAD)
print("inline const std::vector<MetricsCase> metrics_cases{")
for case in cases():
    figures(*case)
print("};\n\nstruct NormalQuantile {\n    double p, x;\n};\n\ninline const std::vector<NormalQuantile> normal_quantiles{")
for p in [1e-280, 1e-100, 1e-20, 1e-9, 1e-4, 0.005, 0.025, 0.05, 0.2, 0.4, 0.499999, 0.5, 0.51, 0.75, 0.975, 0.9999, 1 - 2**-40]:
    print(f"    {{{number(p)}, {number(norm.ppf(p))}}},")
print("};\n\n} // namespace golden")
