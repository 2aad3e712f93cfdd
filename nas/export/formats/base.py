"""What every format makes of a network, without torch until it is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from nas.plugin import Strategy

if TYPE_CHECKING:
    from nas.export.exported import Exported


class Format(Strategy, ABC):
    """A form in which a network leaves the server. One file per format.

    Attributes:
        title: what it is, for people.
        usage: how it is used, in Markdown.
    """

    kind: str
    title: ClassVar[str]
    usage: ClassVar[str]

    @abstractmethod
    def files(self, exported: Exported) -> Mapping[str, bytes]:
        """Return the files of a network by their names: the same bytes for the same network.

        Raises:
            ExportFailed: if the network cannot be written so, or what was written is not the same
                network.
        """
