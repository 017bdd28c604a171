"""table.py MEASURE [--json FILE] [--rounds N]: runs all measurements in turns and prints the medians as one table."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_peers.py")
# glibc's malloc, as it comes, gives memory back and faults it in again at every call of PyTorch.
TUNED = {"MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "1073741824", "MALLOC_TOP_PAD_": "67108864"}
COSINE_SIZES = (512, 16384, 262144, 4194304)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("measure")
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-install", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="gradcon-benchmark-")
    pin = ["taskset", "-c", "0"]
    subprocess.run([options.measure, "prepare", folder], check=True)
    check = subprocess.run([sys.executable, PEERS, "check", folder], capture_output=True, text=True)
    torch = check.returncode == 0
    if torch:
        print(f"PyTorch computes the same scores and cosines: largest difference {float(check.stdout):.1e}")
    else:
        print("PyTorch: absent, or other scores:", (check.stdout + check.stderr).strip().splitlines()[-1:])

    ours = lambda what, *n: (f"ours: {what} {' '.join(n)}".strip(), [*pin, options.measure, what, folder, *n], {})
    threads = lambda what, n: (f"ours: {what} {n}", [options.measure, what, folder, n], {})
    peer = lambda what, *n: (f"PyTorch: {what} {' '.join(n)}".strip(), [*pin, sys.executable, PEERS, what, folder, *n], TUNED)
    jobs = [ours("score", n) for n in ("1", "16", "128")] + [ours("train"), ours("peak")]
    jobs += [threads(what, n) for what in ("score_threads", "train_threads") for n in ("1", "2")]
    for n in COSINE_SIZES:
        jobs += [ours(what, str(n)) for what in ("read", "cosine", "cosine_eigen", "cosine_xtensor")]
    if torch:
        jobs += [peer("authors")] + [peer("batched", n) for n in ("16", "64", "128")] + [peer("train")]
    figures = {name: [] for name, _, _ in jobs}
    for turn in range(options.rounds):
        for name, command, environment in jobs:
            run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
            figures[name].append(float(run.stdout))
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)

    median = {name: statistics.median(values) for name, values in figures.items()}
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    print(f"{model[0] if model else platform.processor()}, {os.cpu_count()} cores, one pinned; medians of {options.rounds} rounds in turns")
    for name, value in median.items():
        spread = max(figures[name]) / min(figures[name]) - 1
        unit = "GFLOP/s" if "peak" in name else "GB/s" if "cosine" in name or "read" in name else "images/s"
        print(f"  {name:<34}{value:>12,.1f} {unit:<9} spread {spread:.0%}")

    get = median.get
    ratio = lambda a, b: round(a / b, 3) if a and b else None
    batched = max((get(f"PyTorch: batched {n}") or 0 for n in ("16", "64", "128")), default=0)
    useful = 2 * 6.46e6 * 1e-9  # GFLOP an image: taps inside the image only
    ratios = {
        "score_vs_authors_batch1": ratio(get("ours: score 1"), get("PyTorch: authors")),
        "score_vs_authors_batch128": ratio(get("ours: score 128"), get("PyTorch: authors")),
        "score_vs_best_pytorch": ratio(get("ours: score 128"), batched),
        "latency_vs_authors": ratio(get("PyTorch: authors"), get("ours: score 1")),
        "train_vs_pytorch": ratio(get("ours: train"), get("PyTorch: train")),
        "score_vs_eigen": None,
        "score_vs_onednn": None,
        "fma_fraction": ratio(get("ours: score 128") * useful, get("ours: peak")),
        "cosine_bandwidth_fraction_16k": ratio(get("ours: cosine 16384"), get("ours: read 16384")),
        "cosine_vs_eigen_16k": ratio(get("ours: cosine 16384"), get("ours: cosine_eigen 16384")),
        "threads2_score": ratio(get("ours: score_threads 2"), get("ours: score_threads 1")),
        "threads2_train": ratio(get("ours: train_threads 2"), get("ours: train_threads 1")),
    }
    print("ratios (peers' time over ours; null: no such peer here)")
    for name, value in ratios.items():
        print(f"  {name:<34}{'null' if value is None else value:>12}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"figures": median, "ratios": ratios}, file, indent=2)


main()
