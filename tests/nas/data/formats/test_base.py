from collections.abc import Sequence

import pytest

from nas.data import formats as module
from nas.data.formats import formats, recognised
from nas.data.formats.base import Format
from nas.errors import InvalidDataset
from tests.nas.data.archives import cifar10, cifar100, imagenet16


def test_every_file_of_the_package_that_holds_a_format_is_found():
    assert [type(known).__name__ for known in formats()] == [
        "Arrays",
        "Cifar10",
        "Cifar100",
        "ImageNet16",
        "ImageTree",
    ]
    assert all(issubclass(type(known), Format) for known in formats())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["train/cat/0.png"], "ImageTree"),
        (["README", "test/dog/0.png"], "ImageTree"),
        ([*cifar10()], "Cifar10"),
        (["data_batch_3"], "Cifar10"),
        ([*cifar100()], "Cifar100"),
        (["meta", "test"], "Cifar100"),
        ([*imagenet16()], "ImageNet16"),
        (["train_data_batch_11"], "ImageNet16"),
        (["train_images.npy"], "Arrays"),
    ],
)
def test_a_layout_is_told_by_its_names(names: Sequence[str], found: str):
    assert type(recognised(names)).__name__ == found


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "^no file in it; understood are "),
        (
            tuple("abcdef"),
            r"^6 files \(a, b, c, d, e, \.\.\.\) in no known layout; understood are ",
        ),
        (
            ("train_images.npy", "data_batch_1"),
            r"^files of several layouts: \.npz .* and CIFAR-10",
        ),
    ],
)
def test_what_was_found_and_what_is_understood_is_said(names: Sequence[str], message: str):
    with pytest.raises(InvalidDataset, match=message) as caught:
        recognised(names)
    understood = [known.layout for known in module.formats()]
    if "understood" in message:
        assert all(layout in str(caught.value) for layout in understood)
