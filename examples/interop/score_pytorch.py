#!/usr/bin/env python3
"""Scores images with a model file of gradcon by PyTorch's automatic differentiation, in double precision.

    score_pytorch.py MODEL.safetensors IMAGES.npy [--out FILE.json]

IMAGES: N x height x width x channels, floats as they are or bytes, which are divided by 255. Of each image:
    reconstruction_error   its mean squared error
    cosine                 of each monitored weight: how the error's gradient aligns with the reference
    score                  reconstruction_error - beta * mean cosine; higher is more anomalous
A profile or score rule in the file is not used: this is the paper's score. Needs numpy and PyTorch.
"""

import argparse
import json
import sys

import numpy as np
import torch
from torch import nn

import model_file


class Flatten(nn.Module):
    """N x C x H x W to N x (C H W) x 1 x 1: vectors stay images of one pixel."""

    def forward(self, x):
        return x.reshape(len(x), -1, 1, 1)


class Unflatten(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(len(x), *self.shape)


class Linear(nn.Linear):
    def forward(self, x):
        if x.shape[2:] != (1, 1):
            raise ValueError(f"a Linear layer needs vectors; given: {tuple(x.shape[1:])}")
        return super().forward(x[:, :, 0, 0])[:, :, None, None]


def make_layer(layer):
    kind = layer["type"]
    if kind == "Linear":
        return Linear(layer["in_features"], layer["out_features"])
    if kind in ("Conv2d", "ConvTranspose2d"):
        keys = ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
        extra = {"output_padding": tuple(layer["output_padding"])} if kind == "ConvTranspose2d" else {}
        return getattr(nn, kind)(*(layer[key] for key in keys), **extra)
    if kind == "LeakyReLU":
        return nn.LeakyReLU(layer["negative_slope"])
    if kind == "Unflatten":
        return Unflatten((layer["channels"], layer["height"], layer["width"]))
    if kind == "Flatten":
        return Flatten()
    if kind in ("ReLU", "Sigmoid", "Tanh"):
        return getattr(nn, kind)()
    raise ValueError(f"a layer of type {kind} is not known here")


class Autoencoder(nn.Module):
    """The file's network: its parameters have the file's names."""

    def __init__(self, tensors, metadata):
        super().__init__()
        self.down, self.up = (nn.Sequential(*map(make_layer, model_file.parse(metadata, part)))
                              for part in ("encoder", "decoder"))
        self.latent = model_file.parse(metadata, "latent")[0]["size"] if "latent" in metadata else None
        self.double()
        try:
            self.load_state_dict({name: torch.from_numpy(tensors[name].astype(np.float64))
                                  for name in self.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"the layers and the tensors do not fit: {error}") from error

    def forward(self, x):
        code = self.down(x)
        return self.up(code if self.latent is None else code[:, :self.latent])  # the means, without noise


def cosine(a, b):
    norms = a.norm() * b.norm()
    return float((a * b).sum() / norms) if norms > 0 else 0.0


def parameter_name(monitored):
    """The file's name of a tensor that the policy names: within the decoder, or from the whole network's root."""
    for ours, theirs in (("encoder.", "down."), ("decoder.", "up.")):
        if monitored.startswith(ours):
            return theirs + monitored[len(ours):]
    return "up." + monitored


def score(tensors, metadata, images):
    network = Autoencoder(tensors, metadata)
    policy = model_file.parse(metadata, "policy")[0]
    parameters = dict(network.named_parameters())
    monitored = [parameters[parameter_name(name)] for name in policy["monitored"]]
    references = [torch.from_numpy(tensors[f"ref.{i}"].astype(np.float64)) for i in range(len(monitored))]
    used = {*parameters, *(f"ref.{i}" for i in range(len(monitored)))}
    model_file.say_ignored(tensors, metadata, {"encoder", "decoder", "latent", "policy", *used})

    pixels = images.astype(np.float64) / (255 if images.dtype == np.uint8 else 1)
    result = {"reconstruction_error": [], "cosine": [], "score": []}
    for image in torch.from_numpy(pixels.transpose(0, 3, 1, 2)).split(1):
        mse = ((network(image) - image) ** 2).mean()
        gradients = torch.autograd.grad(mse, monitored)
        cosines = [cosine(reference, gradient) for reference, gradient in zip(references, gradients)]
        result["reconstruction_error"].append(mse.item())
        result["cosine"].append(cosines)
        result["score"].append(mse.item() - policy["beta"] * sum(cosines) / len(cosines))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("images")
    parser.add_argument("--out")
    options = parser.parse_args()
    try:
        tensors, metadata = model_file.read_model(options.model)
        images = np.load(options.images, allow_pickle=False)
        if images.ndim != 4 or not (images.dtype == np.uint8 or np.issubdtype(images.dtype, np.floating)):
            raise ValueError(f"{options.images}: must be N x H x W x C floats or bytes; it is {images.dtype} of shape "
                             f"{images.shape}")
        text = json.dumps(score(tensors, metadata, images), indent=1)
        if options.out:
            with open(options.out, "w") as file:
                file.write(text + "\n")
        else:
            print(text)
    except (ValueError, KeyError, RuntimeError, OSError) as error:
        sys.exit(f"score_pytorch: {error}")


if __name__ == "__main__":
    main()
