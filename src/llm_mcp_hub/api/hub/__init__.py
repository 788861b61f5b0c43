"""The hub's own routes: health, providers, sessions."""
