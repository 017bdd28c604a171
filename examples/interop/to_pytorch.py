#!/usr/bin/env python3
"""Turns a model file of gradcon into a checkpoint of the authors' PyTorch code.

    to_pytorch.py MODEL.safetensors CHECKPOINT.pth.tar

A network that is not theirs becomes the state dict of nn.Sequentials down and up. References are float32 where that
keeps every bit, else float64. What such a checkpoint has no place for is left out. Needs numpy and PyTorch.
"""

import argparse
import collections
import sys
import types
from unittest import mock

import numpy as np
import torch

import model_file


def heads_apart(tensors):
    """Names as in the authors' variational autoencoder, whose heads are two layers and whose decoder has no Linear."""
    named = {}
    for name, values in tensors.items():
        part, layer, kind = name.split(".")
        if part == "down" and values.ndim < 4 and layer == "9":
            named[f"fc11.{kind}"], named[f"fc12.{kind}"] = np.split(values, 2)
        elif part == "up" and layer == "0":
            named[f"fc2.{kind}"] = values
        else:
            named[f"up.{int(layer) - 2}.{kind}" if part == "up" else name] = values
    return named


def convert(tensors, metadata):
    """The state dict, its references, and how many gradients these average."""
    policy = model_file.parse(metadata, "policy")[0]
    state = {name: values for name, values in tensors.items() if name.startswith(("down.", "up."))}
    kinds = [layer["type"] for part in ("encoder", "decoder") for layer in model_file.parse(metadata, part)]
    convolutions = ["Conv2d", "ReLU"] * 4, ["ConvTranspose2d", "ReLU"] * 3 + ["ConvTranspose2d", "Sigmoid"]
    if kinds == convolutions[0] + ["Flatten", "Linear", "Linear", "Unflatten"] + convolutions[1]:
        state = heads_apart(state)
    elif kinds != convolutions[0] + convolutions[1]:
        print("to_pytorch: not the authors' network: their code cannot load it", file=sys.stderr)
    references = [tensors[f"ref.{i}"] for i in range(len(policy["monitored"]))]
    return state, references, policy["updates"]


class AverageMeter:
    """The authors', as far as a checkpoint keeps it."""


def write(path, state, references, updates):
    """A checkpoint that the authors' code evaluates, and trains on from: with a fresh Adam, as epoch 0."""
    meters = []
    for reference in references:
        meter = AverageMeter()
        vars(meter).update(val=0, avg=reference, sum=reference * updates, prev=0, count=updates)
        meters.append(meter)
    adam = torch.optim.Adam([torch.nn.Parameter(value) for value in state.values()], lr=1e-3)
    utils = types.ModuleType("utils")  # where they have the class
    utils.AverageMeter = AverageMeter
    with mock.patch.dict(sys.modules, utils=utils), mock.patch.object(AverageMeter, "__module__", "utils"):
        torch.save({"epoch": 0, "state_dict": collections.OrderedDict(state), "best_loss": 1e20, "last_loss": 1e20,
                    "optimizer": adam.state_dict(), "ref_grad": meters}, path)


def as_reference(values):
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    return torch.from_numpy(short if np.array_equal(short, values) else values.copy())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("checkpoint")
    options = parser.parse_args()
    try:
        tensors, metadata = model_file.read_model(options.model)
        state, references, updates = convert(tensors, metadata)
    except (ValueError, KeyError, OSError) as error:
        sys.exit(f"to_pytorch: {error}")
    used = {name for name in tensors if name.startswith(("down.", "up.", "ref."))}
    model_file.say_ignored(tensors, metadata, {"encoder", "decoder", "latent", "policy", *used})
    write(options.checkpoint, {f"module.{name}": torch.from_numpy(values.copy()) for name, values in state.items()},
          [as_reference(values) for values in references], updates)


if __name__ == "__main__":
    main()
