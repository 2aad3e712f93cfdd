"""Archives of the published layouts, small, with pickles as Python 2 wrote them."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Files = dict[str, bytes]


class Python2:
    """Writes protocol 2 as Python 2's cPickle did: strings are bytes, the memo counts from one."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._kept = 0

    @classmethod
    def dumps(cls, value: object) -> bytes:
        writer = cls()
        writer._out.write(b"\x80\x02")
        writer._value(value)
        writer._out.write(b".")
        return writer._out.getvalue()

    def _keep(self) -> None:
        self._kept += 1
        small = self._kept < 256
        self._out.write(
            struct.pack("<cB", b"q", self._kept) if small else struct.pack("<cI", b"r", self._kept)
        )

    def _value(self, value: object) -> None:
        out = self._out.write
        match value:
            case bool() | None:
                out({True: b"\x88", False: b"\x89", None: b"N"}[value])
            case int():
                self._integer(value)
            case float():
                out(b"G" + struct.pack(">d", value))
            case str() | bytes():
                self._string(value.encode() if isinstance(value, str) else value)
            case list():
                out(b"]")
                self._keep()
                out(b"(")
                for item in value:
                    self._value(item)
                out(b"e")
            case dict():
                out(b"}")
                self._keep()
                out(b"(")
                for key, item in value.items():
                    self._value(key)
                    self._value(item)
                out(b"u")
            case np.ndarray():
                self._array(value)
            case _:
                raise TypeError(type(value))

    def _integer(self, value: int) -> None:
        if 0 <= value < 256:
            self._out.write(struct.pack("<cB", b"K", value))
        elif 0 <= value < 2**16:
            self._out.write(struct.pack("<cH", b"M", value))
        elif -(2**31) <= value < 2**31:
            self._out.write(struct.pack("<ci", b"J", value))
        else:
            digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self._out.write(struct.pack("<cB", b"\x8a", len(digits)) + digits)

    def _string(self, value: bytes) -> None:
        short = len(value) < 256
        head = (
            struct.pack("<cB", b"U", len(value)) if short else struct.pack("<cI", b"T", len(value))
        )
        self._out.write(head + value)
        self._keep()

    def _array(self, value: np.ndarray) -> None:
        out = self._out.write
        out(b"cnumpy.core.multiarray\n_reconstruct\n")
        self._keep()
        out(b"cnumpy\nndarray\n")
        self._keep()
        out(b"K\x00\x85")
        self._keep()
        out(b"U\x01b\x87")
        self._keep()
        out(b"R")
        self._keep()
        out(b"(K\x01(")
        for length in value.shape:
            self._integer(length)
        out(b"t")
        self._keep()
        out(b"cnumpy\ndtype\n")
        self._keep()
        self._string(value.dtype.str[1:].encode())
        out(b"K\x00K\x01\x87")
        self._keep()
        out(b"R")
        self._keep()
        out(b"(K\x03")
        self._string(value.dtype.str[:1].encode())
        out(b"NNN" + struct.pack("<ci", b"J", -1) * 2 + b"K\x00t")
        self._keep()
        out(b"b\x89")
        self._string(value.tobytes())
        out(b"t")
        self._keep()
        out(b"b")


class Hostile:
    """Would run `touch` on a path if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {self._path}",)


def pixels(labels: list[int], side: int, seed: int = 0) -> np.ndarray:
    """Images in rows, red values first; the first value of each channel is the image's label."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (len(labels), 3, side * side), dtype=np.uint8)
    images[:, :, 0] = np.array(labels)[:, None] % 256
    return images.reshape(len(labels), -1)


def cifar10() -> Files:
    """Four training images of each class in five batches, and one test image of each."""
    labels = [label for _ in range(4) for label in range(10)]
    files = {
        f"data_batch_{number}": Python2.dumps(
            {
                "batch_label": f"training batch {number} of 5",
                "labels": labels[8 * (number - 1) : 8 * number],
                "data": pixels(labels[8 * (number - 1) : 8 * number], 32, number),
                "filenames": [f"{index}.png" for index in range(8)],
            }
        )
        for number in range(1, 6)
    }
    files["test_batch"] = Python2.dumps(
        {
            "batch_label": "testing batch 1 of 1",
            "labels": list(range(10)),
            "data": pixels(list(range(10)), 32),
            "filenames": [f"{index}.png" for index in range(10)],
        }
    )
    files["batches.meta"] = Python2.dumps(
        {
            "num_cases_per_batch": 8,
            "label_names": [f"class {label}" for label in range(10)],
            "num_vis": 3072,
        }
    )
    return {**files, "readme.html": b"<html>"}


def cifar100() -> Files:
    def part(copies: int) -> bytes:
        labels = [label for _ in range(copies) for label in range(100)]
        return Python2.dumps(
            {
                "filenames": [f"{index}.png" for index in range(len(labels))],
                "batch_label": "training batch 1 of 1",
                "fine_labels": labels,
                "coarse_labels": [label // 5 for label in labels],
                "data": pixels(labels, 32),
            }
        )

    meta = {
        "fine_label_names": [f"fine {label}" for label in range(100)],
        "coarse_label_names": [f"coarse {label}" for label in range(20)],
    }
    return {"train": part(2), "test": part(1), "meta": Python2.dumps(meta), "file.txt~": b""}


def imagenet16(side: int = 16) -> Files:
    """Labels from 1: two training images and one test image of each of 130 classes."""
    labels = [label for _ in range(2) for label in range(1, 131)]
    files = {
        f"train_data_batch_{number + 1}": Python2.dumps(
            {
                "data": pixels(labels[26 * number : 26 * (number + 1)], side, number),
                "labels": labels[26 * number : 26 * (number + 1)],
                "mean": np.zeros(3 * side**2),
            }
        )
        for number in range(10)
    }
    val = {"data": pixels(labels[:130], side), "labels": labels[:130]}
    return files | {"val_data": Python2.dumps(val)}


def arrays() -> dict[str, np.ndarray]:
    """Two classes of grey images of 6 rows and 4 columns."""
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (8, 6, 4), dtype=np.uint8),
        "train_labels": np.arange(8) % 2,
        "test_images": rng.integers(0, 256, (2, 6, 4), dtype=np.uint8),
        "test_labels": np.arange(2),
    }


def npz(values: Mapping[str, np.ndarray], path: Path) -> Path:
    np.savez_compressed(path / "arrays.npz", **values)
    return path / "arrays.npz"


def folder(files: Files, path: Path, top: str = "archive") -> Path:
    for name, content in files.items():
        (path / top / name).parent.mkdir(parents=True, exist_ok=True)
        (path / top / name).write_bytes(content)
    return path / top


def tar(files: Files, path: Path, top: str = "archive", mode: str = "w:gz") -> Path:
    """A tar archive as the published ones: one folder that holds everything."""
    made = path / ("archive.tar.gz" if mode == "w:gz" else "archive.tar")
    with tarfile.open(made, mode) as archive:
        holder = tarfile.TarInfo(top)
        holder.type = tarfile.DIRTYPE
        archive.addfile(holder)
        for name, content in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made


def zipped(files: Files, path: Path) -> Path:
    with zipfile.ZipFile(path / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path / "archive.zip"
