"""Image datasets: train, validation and test splits of small images held as uint8."""
