"""What every format makes of its file."""

from abc import ABC, abstractmethod
from typing import BinaryIO, ClassVar

from nas.benchmarks.contents import Contents


class Format(ABC):
    """A way to write a table. Stateless; one file per format.

    Attributes:
        layout: its name and what is in it, for people.
    """

    layout: ClassVar[str]

    @abstractmethod
    def recognises(self, head: bytes) -> bool:
        """Tell from the first bytes of a file whether it is meant to be of this format."""

    @abstractmethod
    def read(self, file: BinaryIO) -> Contents:
        """Read the header, and the rows as they are asked for.

        Args:
            file: recognised, at its beginning, and open for as long as rows are read.

        Raises:
            InvalidBenchmark: naming the place at fault.
        """
