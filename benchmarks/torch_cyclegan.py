"""CycleGAN in PyTorch: networks and order of the step as in junyanz/pytorch-CycleGAN-and-pix2pix.

Names of the layouts: "torch_nchw", as that program runs, and "torch_channels_last".
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import l1_loss, mse_loss

Weights = Callable[[list[tuple[int, ...]], int], list[np.ndarray]]  # of shapes as Keras has them, and a seed
Pool = Callable[[torch.Tensor], torch.Tensor]


class Training:
    """Networks, optimizers, and a step of both.

    Args:
        layout: of images and weights.
        blocks: of the generators.
        filters: of the first convolutions.
        weights: what all parameters start from.
        pools: of generated images of A, and of B.
    """

    def __init__(
        self,
        layout: str,
        blocks: int,
        filters: int,
        weights: Weights,
        pools: tuple[Pool, Pool] = (lambda fake: fake, lambda fake: fake),
    ):
        self.g, self.f = (generator(layout, blocks, filters, weights, seed) for seed in (0, 1))
        self.discriminators = [discriminator(layout, filters, weights, seed) for seed in (2, 3)]
        self.pools = pools
        self.optimizers = [
            torch.optim.Adam([*one.parameters(), *two.parameters()], lr=2e-4, betas=(0.5, 0.999), eps=1e-8)
            for one, two in ((self.g, self.f), self.discriminators)
        ]

    def step(self, real_a: torch.Tensor, real_b: torch.Tensor) -> list[float]:
        """One step on images (1, 3, H, W) in [-1, 1]; the losses in keras_style's order."""
        d_a, d_b = self.discriminators
        of_generators, of_discriminators = self.optimizers
        fake_b, fake_a = self.g(real_a), self.f(real_b)
        again_a, again_b = self.f(fake_b), self.g(fake_a)
        self._learn(False)
        of_generators.zero_grad()
        identity_a, identity_b = l1_loss(self.f(real_a), real_a), l1_loss(self.g(real_b), real_b)
        adversarial = [_close_to(1.0, d_b(fake_b)), _close_to(1.0, d_a(fake_a))]
        cycle_a, cycle_b = l1_loss(again_a, real_a), l1_loss(again_b, real_b)
        total = sum(adversarial) + 10 * (cycle_a + cycle_b) + 5 * (identity_a + identity_b)
        total.backward()
        of_generators.step()

        self._learn(True)
        of_discriminators.zero_grad()
        halves = []
        for judge, real, fake, pool in zip((d_a, d_b), (real_a, real_b), (fake_a, fake_b), self.pools, strict=True):
            loss = 0.5 * (_close_to(1.0, judge(real)) + _close_to(0.0, judge(pool(fake.detach()))))
            loss.backward()
            halves.append(loss)
        of_discriminators.step()
        losses = (total, *adversarial, cycle_a, cycle_b, identity_a, identity_b, *halves)
        return [float(loss.detach()) for loss in losses]

    def _learn(self, wanted: bool) -> None:
        for judge in self.discriminators:
            judge.requires_grad_(wanted)


def images(layout: str, pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """(N, 3, H, W) in [-1, 1] of pictures (H, W, 3) in [0, 1]."""
    return (torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) * 2 - 1).contiguous(memory_format=_format(layout))


@torch.inference_mode()
def translate(network: nn.Module, layout: str, picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in [0, 1] to another."""
    answer = network(images(layout, [picture]))[0]
    return (answer.permute(1, 2, 0) / 2 + 0.5).clamp(0, 1).numpy()


def generator(layout: str, blocks: int, filters: int, weights: Weights, seed: int) -> nn.Module:
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.branch = nn.Sequential(*convolved(), nn.ReLU(True), *convolved())

        def forward(self, x):
            return x + self.branch(x)

    def convolved():
        return nn.ReflectionPad2d(1), nn.Conv2d(4 * filters, 4 * filters, 3), InstanceNormalization(4 * filters)

    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, filters, 7), InstanceNormalization(filters), nn.ReLU(True)]
    for width in (filters, 2 * filters):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), InstanceNormalization(2 * width), nn.ReLU(True)]
    layers += [Block() for _ in range(blocks)]
    for width in (2 * filters, filters):
        layers += [nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), InstanceNormalization(width), nn.ReLU(True)]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(filters, 3, 7), nn.Tanh()]
    return _network(layout, layers, weights, seed)


def discriminator(layout: str, filters: int, weights: Weights, seed: int) -> nn.Module:
    layers = [nn.Conv2d(3, filters, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for width, stride in ((filters, 2), (2 * filters, 2), (4 * filters, 1)):
        layers += [nn.Conv2d(width, 2 * width, 4, stride, 1), InstanceNormalization(2 * width), nn.LeakyReLU(0.2, True)]
    return _network(layout, [*layers, nn.Conv2d(8 * filters, 1, 4, 1, 1)], weights, seed)


class InstanceNormalization(nn.InstanceNorm2d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        if y.requires_grad:
            # The gradient of PyTorch 2.13 is silently wrong on a CPU where it comes in channels_last, by more than
            # its own length; copied to NCHW, as PyTorch does with the input, it is right.
            y.register_hook(lambda gradient: gradient.contiguous())
        return y


def _network(layout: str, layers: list[Any], weights: Weights, seed: int) -> nn.Module:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = nn.Sequential(*layers)
    parameters = list(network.parameters())
    shapes = [tuple(p.shape[axis] for axis in (2, 3, 1, 0)) if p.ndim == 4 else tuple(p.shape) for p in parameters]
    with torch.no_grad():
        for parameter, array in zip(parameters, weights(shapes, seed), strict=True):
            parameter.copy_(torch.from_numpy(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array))
    return network.to(memory_format=_format(layout))


def _close_to(value: float, scores: torch.Tensor) -> torch.Tensor:
    return mse_loss(scores, torch.tensor(value).expand_as(scores))


def _format(layout: str) -> Any:
    return torch.channels_last if layout == "torch_channels_last" else torch.contiguous_format
