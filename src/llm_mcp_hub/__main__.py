"""`python -m llm_mcp_hub` is `llm-mcp-hub`."""

from llm_mcp_hub.cli import main

if __name__ == "__main__":
    main(prog_name="llm-mcp-hub")
