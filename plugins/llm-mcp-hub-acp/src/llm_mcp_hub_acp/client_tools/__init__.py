"""The client's tools as an MCP server on loopback, one for each conversation that has any."""
