#!/usr/bin/env python3
"""Turns a checkpoint of the authors' PyTorch code into a model file of gradcon.

    from_pytorch.py CHECKPOINT.pth.tar MODEL.safetensors [--alpha 0.03] [--beta 0.12]

The authors' code (github olivesgatech/gradcon-anomaly) saves a dict: state_dict, of a DataParallel (names such as
module.down.0.weight), and ref_grad, a list of utils.AverageMeter, whose avg is the reference gradient of a decoder
weight and count the number of updates. Converted are their autoencoder and their variational one (GradConCAE,
GradConVAE), of any widths. alpha and beta, the weights of the alignment in training and in the score, are in no
checkpoint; the defaults are theirs. Needs numpy.
"""

import argparse
import math
import sys

import numpy as np

import checkpoint
import model_file

DOWN_PADDING, UP_PADDING = (2, 2, 2, 2), (2, 1, 2, 1)


def as_array(name, tensor):
    if not isinstance(tensor, checkpoint.Tensor):
        raise ValueError(f"{name} must be a tensor; it is {type(tensor).__name__}")
    values = tensor.array()
    return values if values.dtype == np.float64 else values.astype(np.float32)


def convolution(weight, padding, transposed):
    if weight.ndim != 4 or weight.shape[2:] != (4, 4):
        raise ValueError(f"the authors' convolutions have kernels of 4 x 4; here a weight's shape is {weight.shape}")
    out, into = weight.shape[:2]
    layer = {"in_channels": into, "kernel_size": 4, "out_channels": out, "padding": padding, "stride": 2}
    if not transposed:
        return {**layer, "type": "Conv2d"}
    return dict(sorted({**layer, "in_channels": out, "out_channels": into, "output_padding": [0, 0],
                        "type": "ConvTranspose2d"}.items()))


def linear(weight):
    if weight.ndim != 2:
        raise ValueError(f"a Linear layer's weight has two dimensions; its shape is {weight.shape}")
    return {"in_features": weight.shape[1], "out_features": weight.shape[0], "type": "Linear"}


def take(state, name, count):
    """The weights and biases of name.0, name.2, ..."""
    try:
        return [(state.pop(f"{name}.{2 * i}.weight"), state.pop(f"{name}.{2 * i}.bias")) for i in range(count)]
    except KeyError as error:
        raise ValueError(f"no network of the authors': its state_dict lacks {error.args[0]}") from None


def convert(state):
    """Our parameters, in our order, and metadata, from a state dict without prefix."""
    state = dict(state)
    down, up = take(state, "down", 4), take(state, "up", 4)
    encoder, decoder, tensors, metadata = [], [], {}, {}

    def add(part, prefix, layer, parameters=()):
        for kind, values in zip(("weight", "bias"), parameters):
            tensors[f"{prefix}.{len(part)}.{kind}"] = values
        part.append(layer)

    for (weight, bias), padding in zip(down, DOWN_PADDING):
        add(encoder, "down", convolution(weight, padding, False), (weight, bias))
        add(encoder, "down", {"type": "ReLU"})
    if "fc11.weight" in state:  # their variational autoencoder: our encoder ends with both heads in one Linear layer
        try:
            (weight, bias), fc2 = ([np.concatenate([state.pop(f"{head}.{kind}") for head in heads])
                                    for kind in ("weight", "bias")] for heads in (("fc11", "fc12"), ("fc2",)))
        except KeyError as error:
            raise ValueError(f"no network of the authors': its state_dict lacks {error.args[0]}") from None
        channels, size = down[-1][0].shape[0], weight.shape[0] // 2
        side = math.isqrt(size // channels)
        if channels * side * side != size or fc2[1].size != size:
            raise ValueError(f"a code of {size} values is no image of {channels} channels")
        add(encoder, "down", {"type": "Flatten"})
        add(encoder, "down", linear(weight), (weight, bias))
        metadata["latent"] = model_file.to_json([{"size": size, "type": "Gaussian"}])
        add(decoder, "up", linear(fc2[0]), fc2)
        add(decoder, "up", {"channels": channels, "height": side, "type": "Unflatten", "width": side})
    for i, ((weight, bias), padding) in enumerate(zip(up, UP_PADDING)):
        add(decoder, "up", convolution(weight, padding, True), (weight, bias))
        add(decoder, "up", {"type": "Sigmoid" if i == 3 else "ReLU"})
    if state:
        raise ValueError(f"no network of the authors': it also has {', '.join(state)}")
    return tensors, {**metadata, "encoder": model_file.to_json(encoder), "decoder": model_file.to_json(decoder)}


def convert_references(meters, tensors):
    """Reference gradients, as tensors, the names of what they are of, and how many gradients they average."""
    monitored = [name for name in tensors if name.startswith("up.") and tensors[name].ndim == 4]
    if len(meters) != len(monitored):
        raise ValueError(f"ref_grad must be a list of {len(monitored)}")
    references, counts = {}, set()
    for i, (meter, name) in enumerate(zip(meters, monitored)):
        mean = as_array(f"ref_grad[{i}].avg", getattr(meter, "avg", meter))
        if mean.shape != tensors[name].shape:
            raise ValueError(f"ref_grad[{i}] has shape {mean.shape}, its weight {tensors[name].shape}")
        references[f"ref.{i}"] = mean.astype(np.float64)
        counts.add(getattr(meter, "count", 1))
    if len(counts) != 1 or not isinstance(min(counts), int) or min(counts) < 0:
        raise ValueError(f"the averages of ref_grad count {sorted(map(str, counts))} gradients")
    return references, [name[len("up."):] for name in monitored], counts.pop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("model")
    parser.add_argument("--alpha", type=float, default=0.03)
    parser.add_argument("--beta", type=float, default=0.12)
    options = parser.parse_args()
    try:
        content = checkpoint.read(options.checkpoint)
        for key, kind in (("state_dict", dict), ("ref_grad", list)):
            if not isinstance(content, dict) or not isinstance(content.get(key), kind):
                raise ValueError(f"{options.checkpoint}: no checkpoint of GradCon: it lacks {key}")
        state = {name.removeprefix("module."): as_array(name, t) for name, t in content["state_dict"].items()}
        tensors, metadata = convert(state)
        references, monitored, updates = convert_references(content["ref_grad"], tensors)
        metadata["policy"] = model_file.to_json([{
            "alpha": options.alpha, "averaging": "running_mean", "beta": options.beta, "decay": 0.99,
            "monitored": monitored, "reference_of": "total_loss", "updates": updates}])
        model_file.write_model(options.model, {**tensors, **references}, metadata)
    except (ValueError, OSError) as error:
        sys.exit(f"from_pytorch: {error}")
    if updates == 0:
        print("from_pytorch: its references have seen no gradient: the score will be the mse", file=sys.stderr)


if __name__ == "__main__":
    main()
