"""A wheel of the dashboard carries its built pages, so that whoever installs it needs no Node."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILD = Path(__file__).parent / "src" / "llm_mcp_hub_dashboard" / "build.py"


class Pages(BuildHookInterface):
    """Refuses to make a package with old pages or none; an editable install may be without."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's signature
        """Check the pages before anything is packed."""
        if version == "editable":
            return
        spec = importlib.util.spec_from_file_location("dashboard_build", BUILD)
        assert spec is not None  # noqa: S101
        assert spec.loader is not None  # noqa: S101
        build = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(build)
        if not build.is_current():
            sys.exit(
                "The dashboard's pages are missing or older than their sources. Build them first: "
                "make pages"
            )
