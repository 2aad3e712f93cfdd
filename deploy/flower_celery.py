"""Flower's view of our queue: the same broker under the same prefix of keys."""

import os

broker_url = os.environ["EFSNAS_REDIS_URL"]
broker_transport_options = {"global_keyprefix": os.environ.get("EFSNAS_REDIS_PREFIX", "efsnas:")}
