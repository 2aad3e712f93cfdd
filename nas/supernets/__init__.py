"""Weight-sharing networks and the stand-alone networks they stand for."""
