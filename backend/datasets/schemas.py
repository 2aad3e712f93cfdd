"""What the API says about datasets."""

from datetime import datetime

from backend.runs.schemas import ReadModel


class DatasetRead(ReadModel):
    """One version of an image dataset."""

    name: str
    version: int
    sha256: str  # of the stored file
    num_bytes: int
    channels: int
    height: int
    width: int
    classes: list[str]
    num_train: int
    num_validation: int
    num_test: int
    split_seed: int  # of the choice of the validation images
    created_at: datetime
