"""Figures: pure functions from rows to Plotly figures, shared by the dashboard and the REST API."""
