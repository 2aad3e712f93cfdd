"""The Python file that builds the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from nas.export.formats.base import Format

if TYPE_CHECKING:
    from nas.export.exported import Exported


@final
class PythonFormat(Format):
    """A readable module that imports torch alone; the weights' files are for its network."""

    kind: Literal["python"] = "python"
    title: ClassVar[str] = "Python file that builds the network"
    usage: ClassVar[str] = (
        "`network.py` needs torch alone. `build()` returns the network with random weights, ready "
        "to be trained or to be given the weights of this download."
    )

    def files(self, exported: Exported) -> dict[str, bytes]:
        return {"network.py": exported.source.encode()}
