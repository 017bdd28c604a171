#!/usr/bin/env python3
"""examples/interop against the library, and against PyTorch's automatic differentiation.

    interop_test.py INTEROP_SCORE       (the program made of interop_score.cpp)

Needs numpy and PyTorch. With the golden files of ../shared/golden, or of GRADCON_GOLDEN_DIR, it also converts the
authors' networks from there and compares their scores.
"""

import collections
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import numpy as np
import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples/interop"))

import from_pytorch  # noqa: E402
import model_file  # noqa: E402
import score_pytorch  # noqa: E402
import to_pytorch  # noqa: E402

PROGRAM = ""
KINDS = {"paper": (28, 28, 1), "cae": (9, 12, 2), "mlp": (2, 3, 2), "vae": (5, 6, 1)}


class Meter:
    """As in the authors' utils.py: what their checkpoints hold under the name utils.AverageMeter."""


Meter.__name__ = Meter.__qualname__ = "AverageMeter"
Meter.__module__ = "utils"


@contextlib.contextmanager
def authors_utils():
    utils = types.ModuleType("utils")
    utils.AverageMeter = Meter
    with mock.patch.dict(sys.modules, utils=utils):
        yield


class Autoencoder(nn.Module):
    """The authors' autoencoder of any widths, and their variational one."""

    def __init__(self, widths=(32, 32, 64, 64), channels=1, variational=False):
        super().__init__()
        down, up = [], []
        for into, out in zip((channels, *widths), widths):
            down += [nn.Conv2d(into, out, 4, stride=2, padding=2), nn.ReLU()]
        mirrored = (*reversed(widths), channels)
        for into, out, padding in zip(mirrored, mirrored[1:], (2, 1, 2, 1)):
            up += [nn.ConvTranspose2d(into, out, 4, stride=2, padding=padding), nn.ReLU()]
        self.down = nn.Sequential(*down)
        if variational:
            code = 9 * widths[-1]
            self.fc11, self.fc12, self.fc2 = (nn.Linear(code, code) for _ in range(3))
        self.up = nn.Sequential(*up[:-1], nn.Sigmoid())

    def forward(self, x):
        z = self.down(x)
        if hasattr(self, "fc2"):
            z = self.fc2(self.fc11(z.flatten(1))).reshape(z.shape)
        return self.up(z)


def authors_checkpoint(network, seed=1):
    """What their train.py saves, after a step of their Adam."""
    torch.manual_seed(seed)
    parallel = nn.DataParallel(network)
    adam = torch.optim.Adam(parallel.parameters(), lr=1e-3)
    x = torch.rand(4, network.up[-2].out_channels, 28, 28)
    meters = []
    ((parallel(x) - x) ** 2).mean().backward()
    for layer in network.up[::2]:
        meter = Meter()
        total = layer.weight.grad + 1e-3 * torch.randn_like(layer.weight)
        vars(meter).update(val=layer.weight.grad, avg=total / 3, sum=total, prev=0, count=3)
        meters.append(meter)
    adam.step()
    return {"epoch": 7, "state_dict": parallel.state_dict(), "best_loss": 0.1, "last_loss": 0.2,
            "optimizer": adam.state_dict(), "ref_grad": meters}


class Interop(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.random = np.random.default_rng(3)

    def run_script(self, script, *arguments):
        """Its stdout and stderr; an exit with a message fails."""
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.object(sys, "argv", ["script", *map(str, arguments)]), contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(err):
            script.main()
        return out.getvalue(), err.getvalue()

    def refusal(self, script, *arguments):
        with self.assertRaises(SystemExit) as caught:
            self.run_script(script, *arguments)
        return str(caught.exception.code)

    def save(self, content, name="theirs.pth.tar", **options):
        with authors_utils():
            torch.save(content, self.folder / name, **options)
        return self.folder / name

    def library(self, *arguments):
        return subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True).stdout

    def written(self, kind):
        path = self.folder / f"{kind}.safetensors"
        self.library("write", kind, path)
        return path

    def images(self, count, height, width, channels):
        return self.random.uniform(size=(count, height, width, channels)).astype(np.float32)

    def library_scores(self, model, images):
        raw = self.folder / "images.f32"
        images.astype(np.float32).tofile(raw)
        return json.loads(self.library("score", model, raw, *images.shape[1:]))

    def pytorch_scores(self, model, images):
        np.save(self.folder / "images.npy", images)
        out, self.said = self.run_script(score_pytorch, model, self.folder / "images.npy")
        return json.loads(out)

    def compare(self, found, expected, tolerance, what):
        self.assertEqual(sorted(found), ["cosine", "reconstruction_error", "score"])
        worst = {key: float(np.abs(np.array(found[key]) - np.array(expected[key])).max()) for key in found}
        print(f"{what}: worst errors:", "  ".join(f"{key} {error:.1e}" for key, error in worst.items()))
        for key, error in worst.items():
            self.assertLess(error, tolerance, (what, key))

    def assert_same_bits(self, one, other):
        self.assertEqual(one.dtype, other.dtype)
        self.assertTrue(torch.equal(one, other))

    def test_scores_of_the_library_are_those_of_pytorch(self):
        for kind, shape in KINDS.items():
            model, images = self.written(kind), self.images(5, *shape)
            self.compare(self.library_scores(model, images), self.pytorch_scores(model, images), 1e-5, kind)
            self.assertEqual(self.said, "")

    def test_bytes_are_divided_by_255(self):
        model = self.written("cae")
        images = self.random.integers(0, 256, (3, *KINDS["cae"]), dtype=np.uint8)
        as_floats = self.library_scores(model, images / np.float32(255))
        self.compare(as_floats, self.pytorch_scores(model, images), 1e-5, "bytes")

    def test_a_file_is_as_documented(self):
        for kind in KINDS:
            path = self.written(kind)
            tensors, metadata = model_file.read_model(path)
            self.assertEqual(metadata["format_version"], "2" if kind == "vae" else "1")
            self.assertEqual(metadata["checksum"], model_file.checksum(tensors, metadata))
            policy, = model_file.parse(metadata, "policy")
            for i, name in enumerate(policy["monitored"]):
                self.assertEqual(tensors[f"ref.{i}"].shape, tensors["up." + name].shape)
                self.assertEqual(tensors[f"ref.{i}"].dtype, np.float64)
            del metadata["checksum"]
            model_file.write_model(self.folder / "copy", tensors, metadata)
            self.assertEqual((self.folder / "copy").read_bytes(), path.read_bytes())

    def test_the_document_is_right(self):
        code = (ROOT / "docs/model_file.md").read_text().split("```python\n")[2].split("```")[0]
        tensors, metadata = model_file.read_model(self.written("paper"))
        found = {}
        exec(code.replace("detector.safetensors", str(self.folder / "paper.safetensors")), found)
        self.assertEqual(found["metadata"], metadata)
        self.assertEqual(list(found["header"]), list(tensors))
        for name, values in tensors.items():
            np.testing.assert_array_equal(found["tensor"](name), values)
        self.assertEqual(model_file.crc64([b"1234", b"56789"]), "995dc9bbdf1939fa")

    def test_ours_to_theirs_and_back_is_the_same_file(self):
        model = self.written("paper")
        theirs, back = self.folder / "a.pth.tar", self.folder / "back.safetensors"
        self.assertEqual(self.run_script(to_pytorch, model, theirs), ("", ""))
        self.assertEqual(self.run_script(from_pytorch, theirs, back), ("", ""))
        self.assertEqual(back.read_bytes(), model.read_bytes())

    def test_theirs_to_ours_and_back_has_the_same_bits(self):
        networks = {"autoencoder": Autoencoder((6, 5, 4, 3), 2), "variational": Autoencoder((6, 5, 4, 3), 1, True)}
        for name, network in networks.items():
            original = authors_checkpoint(network)
            model, back = self.folder / "ours.safetensors", self.folder / "back.pth.tar"
            for zipped in (True, False):
                self.run_script(from_pytorch, self.save(original, _use_new_zipfile_serialization=zipped), model)
                self.assertEqual(self.run_script(to_pytorch, model, back), ("", ""))
                with authors_utils():
                    found = torch.load(back, weights_only=False)
                self.assertEqual(sorted(found["state_dict"]), sorted(original["state_dict"]))
                for key, value in original["state_dict"].items():
                    self.assert_same_bits(found["state_dict"][key], value)
                for one, other in zip(found["ref_grad"], original["ref_grad"], strict=True):
                    self.assertIsInstance(one, Meter)
                    self.assert_same_bits(one.avg, other.avg)
                    self.assertEqual(one.count, 3)
            # Their code trains on from it.
            parallel = nn.DataParallel(network)
            parallel.load_state_dict(found["state_dict"])
            adam = torch.optim.Adam(parallel.parameters(), lr=1e-3)
            adam.load_state_dict(found["optimizer"])
            # And it scores as theirs: the library, and the authors' formula in double.
            images = self.images(3, 28, 28, network.up[-2].out_channels)
            network.double()
            expected = {"reconstruction_error": [], "cosine": [], "score": []}
            for x in torch.from_numpy(images.transpose(0, 3, 1, 2)).double().split(1):
                network.zero_grad()
                mse = nn.functional.mse_loss(network(x), x)
                mse.backward()
                pairs = [(layer.weight.grad.view(-1), meter.avg.double().view(-1))
                         for layer, meter in zip(network.up[::2], original["ref_grad"])]
                cosines = [nn.functional.cosine_similarity(g, reference, dim=0).item() for g, reference in pairs]
                expected["reconstruction_error"].append(mse.item())
                expected["cosine"].append(cosines)
                expected["score"].append(mse.item() - 0.12 * sum(cosines) / 4)
            self.compare(self.library_scores(model, images), expected, 1e-5, f"their {name}, library")
            self.compare(self.pytorch_scores(model, images), expected, 1e-9, f"their {name}, score_pytorch")

    def test_a_state_dict_without_prefix_and_views_as_references(self):
        original = authors_checkpoint(Autoencoder((3, 3, 2, 2)))
        memory = torch.cat([v.flatten() for v in original["state_dict"].values()])
        parts = memory.split([v.numel() for v in original["state_dict"].values()])
        plain = {"state_dict": {name.removeprefix("module."): part.view_as(v)
                                for (name, v), part in zip(original["state_dict"].items(), parts)},
                 "ref_grad": [meter.avg.contiguous(memory_format=torch.channels_last) for meter in original["ref_grad"]]}
        a, b = self.folder / "a", self.folder / "b"
        self.run_script(from_pytorch, self.save(original), a, "--beta", "0.5")
        self.run_script(from_pytorch, self.save(plain), b, "--beta", "0.5")
        (tensors, metadata), (others, other_metadata) = model_file.read_model(a), model_file.read_model(b)
        for name, values in tensors.items():
            np.testing.assert_array_equal(values, others[name])
        policy, other_policy = (model_file.parse(m, "policy")[0] for m in (metadata, other_metadata))
        self.assertEqual((policy.pop("updates"), other_policy.pop("updates")), (3, 1))
        self.assertEqual(policy, other_policy)
        self.assertEqual(policy["beta"], 0.5)

    def test_a_checkpoint_runs_nothing(self):
        class Attack:
            def __reduce__(self):
                return os.system, (f"touch {trace}",)

        trace = self.folder / "trace"
        content = authors_checkpoint(Autoencoder((3, 3, 2, 2)))
        content["args"] = Attack()
        content["options"] = collections.Counter("ab")  # harmless, and unknown
        for zipped in (True, False):
            path = self.save(content, _use_new_zipfile_serialization=zipped)
            self.run_script(from_pytorch, path, self.folder / f"ours{zipped}")  # converts it all the same
            self.assertFalse(trace.exists())
        content["ref_grad"][0].avg = Attack()
        said = self.refusal(from_pytorch, self.save(content), self.folder / "no")
        self.assertIn("ref_grad[0].avg must be a tensor", said)
        self.assertFalse(trace.exists())

    def test_what_is_wrong_is_said(self):
        target = self.folder / "target"

        def refused(change, *words):
            content = authors_checkpoint(Autoencoder((3, 3, 2, 2)))
            change(content)
            said = self.refusal(from_pytorch, self.save(content), target)
            for word in words:
                self.assertIn(word, said)
            self.assertFalse(target.exists())

        refused(lambda c: c.pop("ref_grad"), "lacks ref_grad")
        refused(lambda c: c["state_dict"].pop("module.up.4.bias"), "lacks up.4.bias")
        refused(lambda c: c["state_dict"].update(extra=torch.zeros(1)), "it also has extra")
        refused(lambda c: c["ref_grad"].pop(), "a list of 4")
        refused(lambda c: setattr(c["ref_grad"][1], "count", 4), "count ['3', '4'] gradients")
        refused(lambda c: setattr(c["ref_grad"][1], "avg", torch.zeros(2)), "ref_grad[1] has shape (2,)")
        refused(lambda c: c["state_dict"]["module.down.0.bias"].fill_(float("nan")), "down.0.bias", "not finite")
        (self.folder / "noise").write_bytes(b"PK" + self.random.bytes(100))
        self.assertIn("no checkpoint", self.refusal(from_pytorch, self.folder / "noise", target))

        model = self.written("cae")
        content = bytearray(model.read_bytes())
        content[-5] ^= 1
        model.write_bytes(content)
        for script in (score_pytorch, to_pytorch):
            self.assertIn("damaged", self.refusal(script, model, target))
        model.write_bytes(content[:200])
        self.assertIn("ends within the header", self.refusal(to_pytorch, model, target))

    def test_newer_parts_are_passed_over_and_named(self):
        model, images = self.written("cae"), self.images(3, *KINDS["cae"])
        expected = self.pytorch_scores(model, images)
        tensors, metadata = model_file.read_model(model)
        tensors = {**tensors, "calibration.scores": np.arange(3.0), "later.thing": np.arange(4, dtype=np.uint8)}
        model_file.write_model(model, tensors, {**metadata, "input": "[{}]", "format_version": "3"})
        self.assertEqual(self.pytorch_scores(model, images), expected)
        for word in ("metadata input", "calibration.*", "later.*", "version 3"):
            self.assertIn(word, self.said)

    def test_golden_networks(self):
        named = os.environ.get("GRADCON_GOLDEN_DIR")
        folder = pathlib.Path(named) if named else ROOT.parent / "shared/golden"
        files = [path for path in sorted(folder.glob("*.safetensors"))]
        if not files and not named:
            self.skipTest(f"no golden files in {folder}")
        for path in files:
            golden, _ = model_file.read_safetensors(path)
            if "final.down.0.weight" not in golden:
                continue
            meters = []
            for i in range(4):
                meter = Meter()
                vars(meter).update(avg=torch.from_numpy(golden[f"ref.{i}"].copy()), count=len(golden["recon_loss"]))
                meters.append(meter)
            state = {"module." + name[len("final."):]: torch.from_numpy(values.copy())
                     for name, values in golden.items() if name.startswith("final.")}
            content = {"state_dict": state, "ref_grad": meters}
            model = self.folder / path.name
            self.run_script(from_pytorch, self.save(content), model)
            images = golden["test.x"].transpose(0, 2, 3, 1)
            expected = {"reconstruction_error": golden["test.mse"], "cosine": golden["test.cos"],
                        "score": -golden["test.score"]}
            self.compare(self.library_scores(model, images), expected, 1e-5, f"{path.name}, library")
            self.compare(self.pytorch_scores(model, images), expected, 1e-5, f"{path.name}, score_pytorch")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
