"""pytorch_peers.py WHAT FOLDER [N]: the same work in PyTorch, on the files that `measure prepare FOLDER` wrote.

    check      compares the ways of scoring, and a batch's loss and gradient in training, with ours; prints the largest
               difference of scores and cosines, and of loss and gradients relative to theirs
    authors    images/s scored as the authors do: one image, backward(), cosine_similarity per layer
    batched    images/s scored N at once: per-sample weight gradients by unfold and bmm
    functorch  images/s scored N at once: per-sample weight gradients by vmap of grad
    train      images/s trained, batches of 64, the alignment's gradient by double backward, Adam
    train_first_order   the same without the alignment
"""

import json
import struct
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)


def read(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F64": "<f8"}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + begin : 8 + length + end], types[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return tensors


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        conv = lambda i, o: nn.Conv2d(i, o, 4, 2, 2)
        back = lambda i, o, p: nn.ConvTranspose2d(i, o, 4, 2, p)
        self.down = nn.Sequential(conv(1, 32), nn.ReLU(), conv(32, 32), nn.ReLU(), conv(32, 64), nn.ReLU(), conv(64, 64), nn.ReLU())
        self.up = nn.Sequential(back(64, 64, 2), nn.ReLU(), back(64, 32, 1), nn.ReLU(), back(32, 32, 2), nn.ReLU(), back(32, 1, 1), nn.Sigmoid())

    def forward(self, x):
        return self.up(self.down(x))


MONITORED = (0, 2, 4, 6)


def score_authors(net, reference, x):
    """One image: every parameter's gradient, then one cosine a layer."""
    net.zero_grad()
    loss = F.mse_loss(net(x), x)
    loss.backward()
    cosines = [F.cosine_similarity(net.up[i].weight.grad.view(-1, 1), r, dim=0) for i, r in zip(MONITORED, reference)]
    return loss.item(), [c.item() for c in cosines]


def score_batched(net, reference, x):
    """All images: inputs X and output adjoints D of each layer, gradient X unfold(D)' of each image by bmm."""
    with torch.no_grad():
        h = net.down(x)
    inputs, outputs = [], []
    for layer in net.up:
        if isinstance(layer, nn.ConvTranspose2d):
            inputs.append(h.detach())
            h = layer(h if outputs else h.requires_grad_())
            outputs.append(h)
        else:
            h = layer(h)
    errors = ((h - x) ** 2).flatten(1).mean(1)
    adjoints = torch.autograd.grad(errors.sum(), outputs)
    cosines = []
    for i, r, a, d in zip(MONITORED, reference, inputs, adjoints):
        unfolded = F.unfold(d, 4, padding=net.up[i].padding, stride=2)
        g = torch.bmm(a.flatten(2), unfolded.transpose(1, 2)).flatten(1)
        cosines.append(g @ r.flatten() / (g.norm(dim=1) * r.norm()))
    return errors, torch.stack(cosines, 1)


def functorch_scorer(net, reference):
    """All images: vmap over grad of the decoder's loss in the four monitored weights."""
    import functorch

    decoder, parameters = functorch.make_functional(net.up)
    names = [name for name, _ in net.up.named_parameters()]
    monitored = [names.index(f"{i}.weight") for i in MONITORED]

    def loss(weights, z, x):
        p = list(parameters)
        for i, w in zip(monitored, weights):
            p[i] = w
        error = F.mse_loss(decoder(p, z.unsqueeze(0)), x.unsqueeze(0))
        return error, error

    gradients = functorch.vmap(functorch.grad(loss, has_aux=True), (None, 0, 0))
    weights = [parameters[i].detach() for i in monitored]

    def score(x):
        with torch.no_grad():
            z = net.down(x)
            gs, errors = gradients(weights, z, x)
            cosines = [g.flatten(1) @ r.flatten() / (g.flatten(1).norm(dim=1) * r.norm()) for g, r in zip(gs, reference)]
        return errors, torch.stack(cosines, 1)

    return score


def objective(net, means, monitored, batch):
    """The loss with the alignment term, ready for backward()."""
    loss = F.mse_loss(net(batch), batch)
    g = torch.autograd.grad(loss, monitored, create_graph=True)
    return loss - 0.03 * sum(F.cosine_similarity(r.flatten(), q.flatten(), dim=0) for r, q in zip(means, g)) / 4


def rate(work):
    start = time.perf_counter()
    while time.perf_counter() < start + 0.4:
        work()
    begin, calls = time.perf_counter(), 0
    while time.perf_counter() < begin + 1:
        work()
        calls += 1
    return calls / (time.perf_counter() - begin)


def main():
    what, folder = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    model, data = read(folder + "/model.safetensors"), read(folder + "/images.safetensors")
    net = Autoencoder()
    net.load_state_dict({k: v for k, v in model.items() if not k.startswith("ref.")})
    reference = [model[f"ref.{i}"].float().reshape(-1, 1) for i in range(4)]
    monitored = [net.up[i].weight for i in MONITORED]
    x = data["x"]
    if what == "check":
        worst = 0.0
        for errors, cosines in (score_batched(net, reference, x), functorch_scorer(net, reference)(x[:16])):
            score = (errors - 0.12 * cosines.mean(1)).detach().double()
            n = len(score)
            worst = max(worst, (score - data["score"][:n]).abs().max().item())
            worst = max(worst, (cosines.detach().double() - data["cosine"][:n]).abs().max().item())
        for n in range(8):
            loss, c = score_authors(net, reference, x[n : n + 1])
            worst = max(worst, abs(loss - 0.12 * sum(c) / 4 - data["score"][n].item()))
        net.zero_grad()
        total = objective(net, [r.view_as(p) for r, p in zip(reference, monitored)], monitored, x[:64])
        total.backward()
        trained = abs(total.item() / data["loss"].item() - 1)
        for name, p in net.named_parameters():
            ours = data["gradient." + name]
            trained = max(trained, ((p.grad - ours).norm() / ours.norm()).item())
        print(worst, trained)
        sys.exit(worst > 1e-4 or trained > 1e-4)
    if what == "authors":
        images = [x[n : n + 1] for n in range(len(x))]
        print(len(x) * rate(lambda: [score_authors(net, reference, image) for image in images]))
    elif what == "batched":
        batch = x[:count]
        print(count * rate(lambda: score_batched(net, reference, batch)))
    elif what == "functorch":
        score, batch = functorch_scorer(net, reference), x[:count]
        print(count * rate(lambda: score(batch)))
    elif what == "train_first_order":
        batch, adam = x[:64], torch.optim.Adam(net.parameters(), lr=1e-3)

        def first_order_step():
            adam.zero_grad()
            F.mse_loss(net(batch), batch).backward()
            adam.step()

        print(64 * rate(first_order_step))
    elif what == "train":
        batch = x[:64]
        adam = torch.optim.Adam(net.parameters(), lr=1e-3)
        means = [r.view_as(p).clone() for r, p in zip(reference, monitored)]
        steps = [20]

        def step():
            total = objective(net, means, monitored, batch)
            adam.zero_grad()
            total.backward()
            steps[0] += 1
            for r, p in zip(means, monitored):
                r += (p.grad - r) / steps[0]
            adam.step()

        print(64 * rate(step))


main()
