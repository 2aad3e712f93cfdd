"""Writes one download: a process of its own, so that whoever asks for it need not load torch.

    python -m nas.export FOLDER < order.json

leaves `outcome.json` in the folder, and beside it `bundle.zip` unless the network cannot be written.
"""

import sys
from pathlib import Path

from nas.errors import ExportFailed, InvalidCheckpoint
from nas.export.order import BUNDLE, OUTCOME, Order, Outcome


def main(folder: Path, order: Order) -> None:
    """Write the network of a file in the formats that were asked for."""
    # After the order has been read: an order that is not one need not wait for torch.
    import torch

    from nas.export.bundle import bundle
    from nas.export.exported import Exported
    from nas.training.retrained import RetrainedModel

    torch.set_num_threads(1)
    try:
        model = RetrainedModel.from_bytes(order.model.read_bytes())
        made = bundle(Exported(model, order.facts), order.formats)
    except InvalidCheckpoint as error:
        outcome = Outcome(damaged=str(error))
    except ExportFailed as error:
        outcome = Outcome(refused=str(error))
    else:
        (folder / BUNDLE).write_bytes(made.data)
        outcome = Outcome(left_out=dict(made.left_out))
    (folder / OUTCOME).write_text(outcome.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Order.model_validate_json(sys.stdin.buffer.read()))
