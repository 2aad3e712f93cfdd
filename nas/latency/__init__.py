"""How long a network takes: where latencies come from, and how they are measured."""
