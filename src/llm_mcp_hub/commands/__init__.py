"""The commands of `llm-mcp-hub`, one module each; the attribute `command` is the click command."""
