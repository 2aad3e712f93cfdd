"""The dashboard's pages. Each has a layout, and registers its callbacks once."""
