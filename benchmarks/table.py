"""table.py PROGRAMS [--json FILE] [--rounds N]: measures everything in turns and prints the medians as one table.

PROGRAMS is the folder with measure and the peers. Each figure is measured once a round, ours and the peers' one after
the other, pinned to one core unless it is about threads.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_peers.py")
# glibc's malloc, as it comes, gives memory back and faults it in again at every call of PyTorch.
TUNED = {"MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "1073741824", "MALLOC_TOP_PAD_": "67108864"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
COSINE_SIZES = (512, 16384, 262144, 4194304, 16777216)
SCALING = {
    "size": (16, 32, 64, 128, 256),
    "channels": (1, 3, 8, 16),
    "depth": (1, 2, 3, 4),
}
USEFUL_GFLOP = 2 * 6.234496e-3  # an image scored: the multiply-adds of `measure layers`, all of taps inside the image


def parse():
    parser = argparse.ArgumentParser(prog="benchmarks/run")
    parser.add_argument("programs", help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--no-install", action="store_true")
    return parser.parse_args()


class Job:
    """One figure: what it is called, the command that prints it, its unit."""

    def __init__(self, section, name, unit, command, environment=None, pinned=True):
        self.section, self.name, self.unit, self.environment = section, name, unit, environment or {}
        self.command = (["taskset", "-c", "0"] if pinned else []) + command
        self.figures = []

    def measure(self):
        environment = {**os.environ, **ONE_THREAD, **self.environment}
        run = subprocess.run(self.command, env=environment, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{' '.join(self.command)}: {run.stderr.strip()}")
        self.figures.append(float(run.stdout))

    @property
    def median(self):
        return statistics.median(self.figures)


def jobs_of(options, folder, absent):
    def there(peer):
        path = os.path.join(options.programs, peer)
        if not os.path.exists(path):
            absent[peer] = "not built: its library is not here"
        return os.path.exists(path)

    measure = os.path.join(options.programs, "measure")
    ours = lambda section, name, unit, *arguments, pinned=True: Job(
        section, f"ours, {name}", unit, [measure, *map(str, arguments)], pinned=pinned)
    program = lambda section, name, unit, peer, *arguments: Job(
        section, name, unit, [os.path.join(options.programs, peer), *map(str, arguments)])
    torch = lambda section, name, what, *arguments: Job(
        section, f"PyTorch, {name}", "images/s", [sys.executable, PEERS, what, folder, *map(str, arguments)], TUNED)

    jobs = [ours("scoring", f"{n} at once", "images/s", "score", n) for n in (1, 16, 128)]
    jobs += [ours("scoring", "one image of bytes", "us", "latency")]
    if "PyTorch" not in absent:
        jobs += [torch("scoring", "the authors' way", "authors")]
        jobs += [torch("scoring", f"unfold and bmm, {n} at once", "batched", n) for n in (16, 64, 128)]
        jobs += [torch("scoring", "functorch, 128 at once", "functorch", 128)]
    jobs += [program("scoring", f"plain Eigen, {n} at once", "images/s", "peer_eigen", n) for n in (1, 16) if there("peer_eigen")]
    jobs += [program("scoring", f"sum of oneDNN's primitives, {n} at once", "images/s", "peer_onednn", n) for n in (1, 64) if there("peer_onednn")]
    jobs += [ours("scoring", "multiply-add peak", "GFLOP/s", "peak")]

    jobs += [ours("training, batches of 64", "exact second order", "images/s", "train")]
    jobs += [ours("training, batches of 64", "first order", "images/s", "train_first_order")]
    if "PyTorch" not in absent:
        jobs += [torch("training, batches of 64", "double backward", "train")]
        jobs += [torch("training, batches of 64", "first order", "train_first_order")]

    for n in COSINE_SIZES:
        section = f"cosine, n = {n:,}"
        jobs += [ours(section, "one sweep", "GB/s", "cosine", n), ours(section, "only reading", "GB/s", "read", n)]
        jobs += [program(section, "Eigen", "GB/s", "measure", "cosine_eigen", n), program(section, "xtensor", "GB/s", "measure", "cosine_xtensor", n)]
        jobs += [program(section, "BLAS", "GB/s", "peer_blas", n) for _ in (1,) if there("peer_blas")]

    for n in (1, 2):
        jobs += [ours("threads", f"scoring, {n}", "images/s", "score_threads", n, pinned=False)]
        jobs += [ours("threads", f"training, {n}", "images/s", "train_threads", n, pinned=False)]
    return jobs, measure


def once(measure, *arguments):
    run = subprocess.run(["taskset", "-c", "0", measure, *map(str, arguments)], capture_output=True, text=True, check=True)
    return run.stdout


def two_processes(measure, what):
    """The ceiling of two threads: two processes at the same time, their sum."""
    commands = [["taskset", "-c", str(core), measure, what, "1"] for core in (0, 1)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    return sum(float(run.communicate()[0]) for run in runs)


def machine(programs):
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split()
    sets = [name for name in ("avx512f", "avx2", "fma", "sse2") if name in flags]
    cache = dict(line.rstrip("\n").split("=", 1) for line in open(os.path.join(programs, "..", "CMakeCache.txt")) if "=" in line)
    compiler = cache.get("CMAKE_CXX_COMPILER:FILEPATH", cache.get("CMAKE_CXX_COMPILER:STRING", "c++"))
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[:1]
    return f"{cpu[0] if cpu else 'unknown CPU'}, {os.cpu_count()} cores, {' '.join(sets)}; {''.join(version)}; -O3 -march=native"


def ratios_of(jobs, ceilings):
    median = {(job.section, job.name): job.median for job in jobs}
    score, train = (lambda name: median.get(("scoring", name))), (lambda name: median.get(("training, batches of 64", name)))
    cosine = lambda name: median.get(("cosine, n = 16,384", name))
    ratio = lambda a, b: round(a / b, 3) if a and b else None
    best = lambda names: max((median[key] for key in median if key[0] == "scoring" and key[1].startswith(names)), default=None)
    threads = lambda what, n: median[("threads", f"ours, {what}, {n}")]
    authors = score("PyTorch, the authors' way")
    return {
        "score_vs_authors_batch1": ratio(score("ours, 1 at once"), authors),
        "score_vs_authors_batch128": ratio(score("ours, 128 at once"), authors),
        "score_vs_best_pytorch": ratio(score("ours, 128 at once"), best(("PyTorch, unfold", "PyTorch, functorch"))),
        "latency_vs_authors": ratio(authors and 1e6 / authors, score("ours, one image of bytes")),
        "train_vs_pytorch": ratio(train("ours, exact second order"), train("PyTorch, double backward")),
        "score_vs_eigen": ratio(score("ours, 16 at once"), best("plain Eigen")),
        "score_vs_onednn": ratio(score("ours, 16 at once"), best("sum of oneDNN")),
        "fma_fraction": ratio(score("ours, 128 at once") * USEFUL_GFLOP, score("ours, multiply-add peak")),
        "cosine_bandwidth_fraction_16k": ratio(cosine("ours, one sweep"), cosine("ours, only reading")),
        "cosine_vs_eigen_16k": ratio(cosine("ours, one sweep"), cosine("Eigen")),
        "threads2_score": ratio(threads("scoring", 2), threads("scoring", 1)),
        "threads2_train": ratio(threads("training", 2), threads("training", 1)),
        "two_processes_score": ratio(ceilings["score_threads"], threads("scoring", 1)),
        "two_processes_train": ratio(ceilings["train_threads"], threads("training", 1)),
    }


def main():
    options = parse()
    folder, absent = tempfile.mkdtemp(prefix="gradcon-benchmark-"), {}
    subprocess.run([os.path.join(options.programs, "measure"), "prepare", folder], check=True)
    check = subprocess.run([sys.executable, PEERS, "check", folder], capture_output=True, text=True)
    if check.returncode == 0:
        scores, training = map(float, check.stdout.split())
        print(f"PyTorch computes the same scores and cosines: largest difference {scores:.1e}")
        print(f"PyTorch computes the same training loss and gradients: largest relative difference {training:.1e}")
    elif check.stdout.strip():
        raise SystemExit(f"PyTorch computes other scores or gradients: they differ by {check.stdout.strip()}")
    else:
        absent["PyTorch"] = (check.stderr.strip().splitlines() or ["no output"])[-1]
    jobs, measure = jobs_of(options, folder, absent)
    for turn in range(options.rounds):
        for job in jobs:
            job.measure()
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
    ceilings = {what: statistics.median(two_processes(measure, what) for _ in range(options.rounds))
                for what in ("score_threads", "train_threads")}
    layers = [line.rsplit(",", 2) for line in once(measure, "layers").splitlines()]
    scaling = {what: {n: float(once(measure, what, n)) for n in sizes} for what, sizes in SCALING.items()}
    memory = {n: float(once(measure, "memory", n)) for n in (1000, 10000, 50000)}

    print(machine(options.programs))
    print(f"medians of {options.rounds} rounds in turns, one thread on one core unless it says threads")
    for peer, why in absent.items():
        print(f"absent: {peer} ({why})")
    section = None
    for job in jobs:
        if job.section != section:
            section = job.section
            print(section)
        spread = max(job.figures) / min(job.figures) - 1
        print(f"  {job.name:<44}{job.median:>12,.1f} {job.unit:<9} spread {spread:.0%}")
    print("layers of scoring (us, GFLOP/s of useful work)")
    for name, us, gflops in layers:
        print(f"  {name:<44}{float(us):>12,.2f} us" + (f" {float(gflops):>8,.1f} GFLOP/s" if gflops else ""))
    for what, by, unit in (("size", "N x N pixels", "pixel"), ("channels", "32 x 32 pixels, N channels", "pixel"), ("depth", "32 x 32 pixels, N layers of 32 channels", None)):
        print(f"cost of one image, {by}")
        for n, us in scaling[what].items():
            pixels = n * n if what == "size" else 32 * 32
            print(f"  N = {n:<40}{us:>12,.1f} us" + (f" {1000 * us / pixels:>8,.1f} ns a pixel" if unit else ""))
    print("resident memory after scoring N images one by one")
    for n, megabytes in memory.items():
        print(f"  N = {n:<40,}{megabytes:>12,.1f} MB")
    ratios = ratios_of(jobs, ceilings)
    print("ratios (a peer's time over ours; null: no such peer here)")
    for name, value in ratios.items():
        print(f"  {name:<44}{'null' if value is None else value:>12}")
    if options.json:
        figures = {f"{job.section}: {job.name}": {"median": job.median, "unit": job.unit, "rounds": job.figures} for job in jobs}
        with open(options.json, "w") as file:
            json.dump({"machine": machine(options.programs), "absent": absent, "figures": figures, "ratios": ratios, "layers": layers,
                       "scaling": scaling, "memory_mb": memory}, file, indent=2)


main()
