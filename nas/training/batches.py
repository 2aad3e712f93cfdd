"""Image batches cut from a split that stays on the device as uint8.

Augmentation is vectorised: shift and mirror are one gather from zero-padded images. Every random
number comes from the generator that the caller seeds, on the CPU, so a batch is the same on every
device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.data.dataset import ImageSplit
from nas.training.recipe import AugmentationSpec


@dataclass(frozen=True, slots=True)
class PixelStatistics:
    """Per-channel mean and standard deviation of uint8 pixels, as float32 of shape (channels,)."""

    mean: Tensor
    deviation: Tensor


def pixel_statistics(split: ImageSplit) -> PixelStatistics:
    """Measure a split, exactly, over all of its images; a constant channel has deviation 1."""
    channels = split.images.shape[1]
    by_channel = torch.from_numpy(split.images).transpose(0, 1).reshape(channels, -1)
    histogram = torch.stack([torch.bincount(row, minlength=256) for row in by_channel]).double()
    share = histogram / histogram.sum(dim=1, keepdim=True)
    value = torch.arange(256, dtype=torch.float64)
    mean = share @ value
    variance = share @ value.square() - mean.square()
    deviation = torch.where(variance > 1e-9, variance.clamp_min(0).sqrt(), 1.0)
    return PixelStatistics(mean.float(), deviation.float())


class ImageBatches:
    """The images and labels of one split on one device."""

    def __init__(
        self, split: ImageSplit, pixels: PixelStatistics, *, device: str, padding: int = 0
    ) -> None:
        """Copy `split` to `device`, with `padding` zero pixels around each image."""
        images_NHWC = torch.from_numpy(split.images).permute(0, 2, 3, 1)
        self._images_NHWC = torch.nn.functional.pad(
            images_NHWC, (0, 0, padding, padding, padding, padding)
        ).to(device)
        self._padding = padding
        self._height, self._width = split.images.shape[2:]
        self._mean_C = pixels.mean.to(device)
        self._scale_C = pixels.deviation.reciprocal().to(device)
        self.labels_N = torch.from_numpy(split.labels).to(device)

    def __len__(self) -> int:
        return len(self.labels_N)

    def plain(self, indices_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalised images (batch, channels, height, width) and their labels."""
        zeros_B = torch.zeros_like(indices_B)
        return self._cut(indices_B, zeros_B, zeros_B, zeros_B.bool())

    def augmented(
        self,
        indices_B: Tensor,
        augmentation: AugmentationSpec,
        generator: torch.Generator,
        part: slice = slice(None),
    ) -> tuple[Tensor, Tensor]:
        """Return normalised images, shifted, mirrored and blurred with noise as asked.

        Args:
            indices_B: positions in the split.
            augmentation: which changes; its shift is at most the padding.
            generator: a CPU generator that makes every random choice.
            part: of these images, to be returned; the choices for the others are made as well.
        """
        shift = augmentation.shift_pixels
        assert shift <= self._padding
        shape = indices_B.shape
        zeros_B = torch.zeros_like(indices_B)
        down_B = right_B = zeros_B
        mirror_B = zeros_B.bool()
        if shift:
            down_B = torch.randint(-shift, shift + 1, shape, generator=generator)
            right_B = torch.randint(-shift, shift + 1, shape, generator=generator)
        if augmentation.horizontal_flip:
            mirror_B = torch.randint(2, shape, generator=generator).bool()
        images, labels = self._cut(indices_B[part], down_B[part], right_B[part], mirror_B[part])
        if augmentation.gaussian_noise:
            whole = (len(indices_B), *images.shape[1:])
            noise = torch.randn(whole, generator=generator)[part].to(images.device)
            images = images + augmentation.gaussian_noise * noise
            images = images.contiguous(memory_format=torch.channels_last)
        return images, labels

    def _cut(
        self, indices_B: Tensor, down_B: Tensor, right_B: Tensor, mirror_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        device = self._images_NHWC.device
        rows_BH = self._padding + down_B[:, None] + torch.arange(self._height)
        columns_W = torch.arange(self._width)
        columns_BW = torch.where(mirror_B[:, None], columns_W.flip(0), columns_W)
        columns_BW = self._padding + right_B[:, None] + columns_BW
        indices_B = indices_B.to(device)
        images_BHWC = self._images_NHWC[
            indices_B[:, None, None],
            rows_BH.to(device)[:, :, None],
            columns_BW.to(device)[:, None, :],
        ]
        normalised_BHWC = (images_BHWC - self._mean_C) * self._scale_C
        # (batch, height, width, channels) memory is what channels_last means.
        return normalised_BHWC.permute(0, 3, 1, 2), self.labels_N[indices_B]
