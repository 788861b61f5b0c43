"""A plugin with a vendor's tool that needs to be installed and logged in, for the tests.

It answers like the echo provider, once `tool` and `login` or `token` are in its directory.
"""

import os
import sys
from pathlib import Path

from msgspec import Struct

from llm_mcp_hub.domain.status import CredentialState, CredentialStatus
from llm_mcp_hub.errors import ConfigError, LoginRequired
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import ProviderContext, ProviderFactory
from llm_mcp_hub.providers.echo import EchoProvider, EchoSettings
from llm_mcp_hub.providers.setup import Command, Finding
from llm_mcp_hub.workers.spec import WorkerSpec

INSTALL = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('1.0')"
BROKEN_INSTALL = "import sys; print('no room left'); sys.exit(3)"
LOGIN = (
    "import os, pathlib, sys; assert not os.listdir(); assert 'VENDOR_API_KEY' not in os.environ\n"
    "print('the vendor says hello'); pathlib.Path(sys.argv[1]).write_text('yes')"
)


class VendorSettings(Struct, frozen=True, forbid_unknown_fields=True):
    broken: bool = False
    installer: str = ""


class VendorSetup:
    title = "Vendor Tool"
    worker_megabytes = 10

    def __init__(self, context: ProviderContext) -> None:
        self._settings: VendorSettings = context.settings
        self._directory = context.data_dir

    def _command(self, program: str, file: str, executable: str = "") -> Command:
        self._directory.mkdir(parents=True, exist_ok=True)
        argv = (executable or sys.executable, "-c", program, str(self._directory / file))
        return Command(argv, {"PATH": os.environ["PATH"]})

    def needs_install(self) -> bool:
        return not (self._directory / "tool").exists()

    def install_command(self) -> Command:
        program = BROKEN_INSTALL if self._settings.broken else INSTALL
        return self._command(program, "tool", self._settings.installer)

    def login_command(self) -> Command:
        return self._command(LOGIN, "login")

    def login_finished(self) -> None:
        (self._directory / "token").unlink(missing_ok=True)

    def setup_token_command(self) -> Command:
        return self._command("print('here is your token')", "")

    def store_token(self, token: bytes, issued_at: float) -> None:
        if not token.startswith(b"vendor-"):
            raise ConfigError("That is not a token of Vendor Tool.")
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "token").write_bytes(token.strip())

    def findings(self) -> list[Finding]:
        if self.needs_install():
            return [Finding(False, "Vendor Tool is missing", "", "Run `llm-mcp-hub setup vendor`.")]
        return [Finding(True, "Vendor Tool is installed", str(self._directory / "tool"))]


class VendorProvider(EchoProvider):
    def __init__(self, context: ProviderContext) -> None:
        super().__init__(context.name, EchoSettings(word_seconds=0))
        self._directory: Path = context.data_dir

    def worker_spec(self) -> WorkerSpec:
        if self.credential_status().state is not CredentialState.READY:
            raise LoginRequired("Vendor Tool is not logged in. Run `llm-mcp-hub setup vendor`.")
        return super().worker_spec()

    def credential_status(self) -> CredentialStatus:
        for name in ("token", "login"):
            if (self._directory / name).exists():
                return CredentialStatus(CredentialState.READY, name, message=f"By {name}.")
        return CredentialStatus(CredentialState.MISSING, message="Nobody is logged in.")


@hookimpl
def hub_register_providers() -> list[ProviderFactory]:
    return [ProviderFactory("vendor", VendorProvider, VendorSettings, setup=VendorSetup)]
