"""How every process writes its log: one plain line an event, on standard error."""

import logging
import sys
from typing import TextIO, cast

import structlog


class LossyStream:
    """Passes text on to a stream, and loses what that cannot take.

    A log on a full disk must not end the work that it tells about, least of all in the handler of
    the error that the full disk has caused.

    Args:
        stream: where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` if the stream takes it."""
        try:
            return self._stream.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Pass on what the stream still holds, if it can be."""
        try:
            self._stream.flush()
        except OSError:
            return  # tried again with the next line


def configure_logs() -> None:
    """Set the format up; called once by each process."""
    # The standard library's own handlers survive a full disk.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Not the rich formatter: it prints every local variable, tensors included.
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        # The factory wants a file, and uses no more of it than writing and flushing.
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, LossyStream(sys.stderr))),
    )
