"""Counter-based seeds: every random choice is a pure function of the run's seed and a label.

Two processes that ask for the same label get the same stream, whatever ran before, which is what
makes resumed and spread runs bit-identical.
"""

import hashlib
import random


def derive_seed(seed: int, *labels: int | str) -> int:
    """Return a 63-bit seed for the stream named by `labels` under the run's `seed`."""
    text = "/".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def stream(seed: int, *labels: int | str) -> random.Random:
    """Return an independent generator for the stream named by `labels`.

    `random.Random` draws below arbitrarily large integers exactly, which sampling in spaces of
    more than 2^64 architectures needs.
    """
    return random.Random(derive_seed(seed, *labels))
