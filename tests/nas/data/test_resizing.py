import numpy as np
import pytest

from nas.data import resizing
from nas.data.resizing import fit_all
from nas.errors import InvalidDataset


@pytest.mark.parametrize("channels", [1, 3])
def test_shrinking_averages_areas(channels: int):
    block = np.kron(np.array([[10, 20], [30, 36]]), np.array([[1, 3], [5, 7]])).astype(np.uint8)
    images = np.stack([block + channel for channel in range(channels)])[None]
    # Each 2x2 block v * [[1, 3], [5, 7]] has mean 4 v.
    expected = [[[40 + c, 80 + c], [120 + c, 144 + c]] for c in range(channels)]
    assert fit_all(images, 2)[0].tolist() == expected


def test_an_oblong_image_is_cropped_to_its_centre():
    wide = np.zeros((1, 1, 4, 8), dtype=np.uint8)
    wide[:, :, :, 2:6] = 200
    assert np.unique(fit_all(wide, 2)).tolist() == [200]


@pytest.mark.parametrize("size", [None, 4])
def test_images_of_the_size_stay_as_they_are(size: int | None):
    images = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    assert fit_all(images, size) is images


def test_a_size_whose_result_does_not_fit_memory_is_refused(monkeypatch):
    monkeypatch.setattr(resizing, "MAX_DECODED_BYTES", 100)
    with pytest.raises(InvalidDataset, match="2 images of 8x8 pixels take 128 bytes"):
        fit_all(np.zeros((2, 1, 4, 4), np.uint8), 8)
