"""Bringing images to one size.

Images are cropped to the centre and resized: by area averaging (Pillow's BOX filter) when that
shrinks them, bicubic when it enlarges them. Area averaging was the best of the filters that the
source compared for training on shrunken images.

Source: Chrabaszcz, Loshchilov and Hutter, A Downsampled Variant of ImageNet as an Alternative to
the CIFAR Datasets, 2017 (arXiv 1707.08819).
"""

from math import prod

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nas.errors import InvalidDataset

MAX_DECODED_BYTES = 4 * 2**30


def fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image of `size`, width and height in pixels."""
    if image.size == size:
        return image
    shrinks = min(image.size) >= size[0]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return ImageOps.fit(image, size, method)


def fit_all(images: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """Return images of `size` pixels in height and width, or as they are if it is None.

    Args:
        images: uint8, shape (n, channels, height, width), with one channel or three.
        size: see above.

    Raises:
        InvalidDataset: if the result would not fit into memory.
    """
    num_images, num_channels, height, width = images.shape
    if size is None or (height, width) == (size, size):
        return images
    fitted = pixels_for(num_images, num_channels, size, size)
    for source, target in zip(images, fitted, strict=True):
        picture = Image.fromarray(source[0] if num_channels == 1 else source.transpose(1, 2, 0))
        made = np.asarray(fit(picture, (size, size)))
        target[:] = made[None] if num_channels == 1 else made.transpose(2, 0, 1)
    return fitted


def pixels_for(num_images: int, num_channels: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return an array for as many images, its values not set.

    Raises:
        InvalidDataset: if it would take more than `MAX_DECODED_BYTES`.
    """
    shape = (num_images, num_channels, height, width)
    if (num_bytes := prod(shape)) > MAX_DECODED_BYTES:
        raise InvalidDataset(
            f"{num_images} images of {width}x{height} pixels take {num_bytes} bytes, more than "
            f"{MAX_DECODED_BYTES}: choose a smaller size"
        )
    return np.empty(shape, dtype=np.uint8)
