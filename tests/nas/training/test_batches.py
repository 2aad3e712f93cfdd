import numpy as np
import pytest
import torch

from nas.data.dataset import ImageSplit
from nas.training.batches import ImageBatches, pixel_statistics
from nas.training.recipe import AugmentationSpec


def split(num_images: int = 5, channels: int = 2, height: int = 4, width: int = 3) -> ImageSplit:
    rng = np.random.default_rng(0)
    shape = (num_images, channels, height, width)
    return ImageSplit(
        rng.integers(0, 256, shape, dtype=np.uint8), np.arange(num_images, dtype=np.int64)
    )


def test_pixel_statistics_are_those_of_all_pixels_of_a_channel() -> None:
    images = split(num_images=50)
    measured = pixel_statistics(images)
    pixels = images.images.astype(np.float64)
    assert measured.mean.numpy() == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-6)
    assert measured.deviation.numpy() == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-6)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    constant = ImageSplit(np.full((2, 1, 2, 2), 7, dtype=np.uint8), np.zeros(2, dtype=np.int64))
    statistics = pixel_statistics(constant)
    assert statistics.deviation.tolist() == [1.0]
    images, _ = ImageBatches(constant, statistics, device="cpu").plain(torch.tensor([0]))
    assert images.abs().max() == 0


def test_plain_images_are_normalised_with_the_given_statistics() -> None:
    images = split()
    statistics = pixel_statistics(images)
    batch, labels = ImageBatches(images, statistics, device="cpu").plain(torch.tensor([3, 1]))
    pixels = torch.from_numpy(images.images[[3, 1]]).float()
    expected = (pixels - statistics.mean[:, None, None]) / statistics.deviation[:, None, None]
    assert torch.allclose(batch, expected, atol=1e-6)
    assert labels.tolist() == [3, 1]
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_a_split_is_held_as_bytes_and_not_as_numbers_of_32_bits() -> None:
    images = split(num_images=1000, height=16, width=16)
    batches = ImageBatches(images, pixel_statistics(images), device="cpu")
    held = sum(value.nbytes for value in vars(batches).values() if isinstance(value, torch.Tensor))
    # Beside the pixels a label of 8 bytes per image, a mean and a scale per channel.
    assert held == images.images.size + 1000 * 8 + 2 * 2 * 4


def test_shifted_and_mirrored_images_are_exactly_those_cut_from_zero_padding() -> None:
    images = split(num_images=1, channels=1)
    statistics = pixel_statistics(images)
    padded = np.pad(images.images[0, 0], 1).astype(np.float32)
    possible = {
        (down, right, mirror): (padded[1 + down : 5 + down, 1 + right : 4 + right])[
            :, :: -1 if mirror else 1
        ]
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        for mirror in (False, True)
    }
    batches = ImageBatches(images, statistics, device="cpu", padding=1)
    augmentation = AugmentationSpec(horizontal_flip=True, shift_pixels=1)
    generator = torch.Generator().manual_seed(0)
    batch, _ = batches.augmented(torch.zeros(900, dtype=torch.int64), augmentation, generator)
    found: dict[tuple[int, int, bool], int] = dict.fromkeys(possible, 0)
    restored = (batch[:, 0] * statistics.deviation + statistics.mean).round().numpy()
    for image in restored:
        matches = [key for key, value in possible.items() if np.array_equal(image, value)]
        assert len(matches) == 1
        found[matches[0]] += 1
    # 900 draws of 18 equal cases: 50 expected each, standard deviation 6.9.
    assert min(found.values()) > 20
    assert max(found.values()) < 80


def test_noise_has_the_deviation_asked_for_and_comes_from_the_generator_alone() -> None:
    images = split(num_images=2, channels=1, height=16, width=16)
    batches = ImageBatches(images, pixel_statistics(images), device="cpu")
    indices = torch.zeros(64, dtype=torch.int64)
    augmentation = AugmentationSpec(gaussian_noise=0.5)
    plain, _ = batches.plain(indices)
    drawn = [
        batches.augmented(indices, augmentation, torch.Generator().manual_seed(9))[0]
        for _ in range(2)
    ]
    assert torch.equal(drawn[0], drawn[1])
    noise = drawn[0] - plain
    assert abs(float(noise.std()) - 0.5) < 0.01
    assert abs(float(noise.mean())) < 0.01


def test_without_augmentation_a_training_batch_is_the_plain_one() -> None:
    images = split()
    batches = ImageBatches(images, pixel_statistics(images), device="cpu", padding=2)
    indices = torch.tensor([4, 0])
    augmented, _ = batches.augmented(indices, AugmentationSpec(), torch.Generator())
    assert torch.equal(augmented, batches.plain(indices)[0])
