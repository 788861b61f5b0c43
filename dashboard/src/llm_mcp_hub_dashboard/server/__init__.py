"""Serving the dashboard: who may see it, and how it reaches the hub."""
