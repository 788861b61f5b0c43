"""The MCP side of the hub."""
