"""Anthropic's dialect: schemas, pure conversion, and the routes."""
