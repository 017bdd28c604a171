#!/usr/bin/env python3
"""Tables of numbers: the command `gradcon` beside IsolationForest, OneClassSVM and Mahalanobis distance.

    compare.py TABLE|FOLDER... [--gradcon FILE] [--seeds N] [--scratch FOLDER] [--out FILE.md] [-- OPTION...]

A table is a .csv with a header whose last column is the label (1 = anomaly, 0 = normal), as ADBench has them, or
NAME-features.npy beside NAME-labels.npy; of a folder all of these are taken. For each seed half of the normal rows,
drawn at random, are for training, and the other half and all anomalies for the test. `gradcon train` (which keeps 15 %
of its rows to choose the best epoch and 15 % to calibrate) and `gradcon evaluate --json` work on files in the scratch
folder. The others are scikit-learn's with default settings, the distance by LedoitWolf's covariance; they are fitted
to all of the training half, its columns standardised by StandardScaler. What follows -- goes to `gradcon train`:
-- --epochs 200. Printed is a table in Markdown: AUROC, the mean over the seeds and their standard deviation. Needs
numpy and scikit-learn.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

OURS = {"reconstruction": "reconstruction", "gradient": "gradient", "gradcon": "GradCon",
        "code_distance": "code distance", "finished_alignment": "finished alignment", "rule": "the model's rule"}
THEIRS = {"isolation_forest": "IsolationForest", "one_class_svm": "OC-SVM", "mahalanobis": "Mahalanobis"}
COLUMNS = {**OURS, **THEIRS}


def find_tables(inputs):
    for path in map(pathlib.Path, inputs):
        inside = sorted([*path.glob("*.csv"), *path.glob("*-features.npy")])
        is_table = path.suffix == ".csv" or path.name.endswith("-features.npy")
        if not inside and not is_table:
            raise ValueError(f"{path}: no .csv or NAME-features.npy, nor a folder of these")
        yield from inside or [path]


def read_table(path):
    """Its name, its rows and which of them are anomalies."""
    if path.suffix == ".csv":
        table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
        name, rows, labels = path.stem, table[:, :-1], table[:, -1]
    else:
        name = path.name.removesuffix("-features.npy")
        rows, labels = np.load(path), np.load(path.with_name(f"{name}-labels.npy"))
    if rows.ndim != 2 or labels.shape != (len(rows),):
        raise ValueError(f"{path}: rows of shape {rows.shape}, labels of shape {labels.shape}")
    if not np.isin(labels, (0, 1)).all() or len(set(labels)) < 2:
        raise ValueError(f"{path}: labels must be 0 and 1, some of each")
    return name, rows, labels.astype(np.uint8)


def split(labels, seed):
    """The rows that train, and those that are tested."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(labels == 0))
    half = len(normal) // 2
    return normal[:half], np.concatenate([normal[half:], np.flatnonzero(labels == 1)])


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise ValueError(f"{' '.join(map(str, command))}\n{done.stderr}")


def judge_ours(rows, labels, train, test, seed, options, scratch):
    normal, unseen, truth, model, figures = (
        scratch / name for name in ("train.npy", "test.npy", "labels.npy", "model.safetensors", "figures.json"))
    np.save(normal, rows[train])
    np.save(unseen, rows[test])
    np.save(truth, labels[test])
    run([options.gradcon, "train", normal, "--model", model, "--seed", seed, *options.train])
    run([options.gradcon, "evaluate", unseen, "--labels", truth, "--model", model, "--json", figures])
    figures = json.loads(figures.read_text())
    aurocs = {name: policy["auroc"] for name, policy in figures["policies"].items() if name in OURS}
    return {**aurocs, "rule": figures["auroc"]}


def judge_theirs(rows, labels, train, test, seed):
    scaler = StandardScaler().fit(rows[train])
    normal, unseen = scaler.transform(rows[train]), scaler.transform(rows[test])
    scores = {"isolation_forest": -IsolationForest(random_state=seed).fit(normal).score_samples(unseen),
              "one_class_svm": -OneClassSVM().fit(normal).score_samples(unseen),
              "mahalanobis": LedoitWolf().fit(normal).mahalanobis(unseen)}
    return {name: roc_auc_score(labels[test], of_rows) for name, of_rows in scores.items()}


def markdown_row(cells):
    return "| " + " | ".join(cells) + " |"


def with_deviation(values):
    values = [value for value in values if value is not None]
    if not values:
        return ""
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def compare(options, scratch):
    head = ["table", "rows", "columns", "anomalies", *COLUMNS.values()]
    lines = [markdown_row(head), "|---" * len(head) + "|"]
    means = {key: [] for key in COLUMNS}
    for path in find_tables(options.tables):
        name, rows, labels = read_table(path)
        results = []
        for seed in range(options.seeds):
            print(f"{name}, seed {seed}", file=sys.stderr)
            train, test = split(labels, seed)
            results.append({**judge_ours(rows, labels, train, test, seed, options, scratch),
                            **judge_theirs(rows, labels, train, test, seed)})
        values = {key: [result.get(key) for result in results] for key in COLUMNS}
        lines.append(markdown_row([name, str(len(rows)), str(rows.shape[1]), str(labels.sum()),
                                   *map(with_deviation, values.values())]))
        for key, of_seeds in values.items():
            if None not in of_seeds:
                means[key].append(np.mean(of_seeds))
    tables = len(lines) - 2
    lines.append(markdown_row(["mean", "", "", "", *(f"{np.mean(m):.3f}" if len(m) == tables else ""
                                                     for m in means.values())]))
    return "\n".join(lines) + "\n"


def main():
    arguments, train = sys.argv[1:], []
    if "--" in arguments:  # not left to argparse, which would take what follows for tables
        at = arguments.index("--")
        arguments, train = arguments[:at], arguments[at + 1 :]
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", metavar="TABLE|FOLDER")
    parser.add_argument("--gradcon", default=root / "build-native/examples/gradcon", help="the command")
    parser.add_argument("--seeds", type=int, default=5, help="splits and trainings of each table, 0, 1, ... (5)")
    parser.add_argument("--scratch", type=pathlib.Path,
                        help="where the command's files go, and stay (a temporary folder)")
    parser.add_argument("--out", type=pathlib.Path, help="also write the Markdown table to this file")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds is 1 or more")
    options.train = train
    try:
        if options.scratch:
            options.scratch.mkdir(parents=True, exist_ok=True)
            table = compare(options, options.scratch)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                table = compare(options, pathlib.Path(scratch))
        if options.out:
            options.out.write_text(table)
    except (ValueError, OSError) as error:
        sys.exit(f"compare: {error}")
    print(table, end="")


if __name__ == "__main__":
    main()
