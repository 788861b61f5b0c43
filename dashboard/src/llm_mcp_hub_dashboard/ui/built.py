"""The application as Reflex builds it; the hub makes its own with `create_app`."""

from llm_mcp_hub_dashboard.ui.app import create_app

app = create_app()
