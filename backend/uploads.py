"""Files that a request carries."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Form, UploadFile

from nas.names import Name

NameField = Annotated[Name, Form(description="How specs refer to it.")]


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """An uploaded file on disk.

    Attributes:
        sha256: of its content, as hexadecimal digits.
    """

    path: Path
    sha256: str


@contextmanager
def stored(upload: UploadFile, folder: Path) -> Iterator[StoredUpload]:
    """Keep an upload as a file in `folder` while it is read; it is removed afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    # Under no part of its own name, which may hold anything.
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".upload-") as file:
        shutil.copyfileobj(upload.file, file)
        file.flush()
        file.seek(0)
        yield StoredUpload(Path(file.name), hashlib.file_digest(file, "sha256").hexdigest())
