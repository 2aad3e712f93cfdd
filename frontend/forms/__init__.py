"""Forms drawn from a JSON schema: a new parameter or strategy appears in them by itself."""
