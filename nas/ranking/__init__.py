"""From outputs to scores to rank correlation."""
