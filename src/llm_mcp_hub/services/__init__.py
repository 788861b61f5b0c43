"""The hub's use cases. No HTTP framework, no wire format."""
