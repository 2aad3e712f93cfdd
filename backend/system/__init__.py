"""The server about itself: health, version, workers, metrics."""
