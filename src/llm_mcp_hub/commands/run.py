"""Running the vendors' programs on the user's terminal.

Guarantee: they get the environment that the plugin gives them and nothing of the hub's own, and
an empty working directory, so that no project's files change what they do.
"""

import shutil
import subprocess
import tempfile

from llm_mcp_hub.commands.output import note, progress
from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.providers.setup import Command

TAIL_LINES = 15
INSTALL_SECONDS = 1800.0


def run_install(command: Command, title: str) -> None:
    """Run an installer; its output is shown only if it fails.

    Raises:
        ProviderUnavailable: It is missing, or failed.
    """
    installer = command.argv[0]
    if shutil.which(installer, path=command.environment.get("PATH")) is None:
        raise ProviderUnavailable(
            f"{installer} is needed to install {title}, and is not there. Install it (npm comes "
            f"with Node.js), or install {title} yourself and use --skip-install."
        )
    with progress(f"Installing {title}…"), tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                command.argv,
                env=command.environment,
                cwd=empty,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProviderUnavailable(
                f"{installer} did not finish within {INSTALL_SECONDS / 60:g} minutes. Try again."
            ) from None
    if done.returncode:
        for line in done.stdout.decode(errors="replace").splitlines()[-TAIL_LINES:]:
            note(f"  {line}")
        raise ProviderUnavailable(
            f"{installer} could not install {title} (exit code {done.returncode}); what it said is "
            "above. Repair that and try again."
        )


def run_on_terminal(command: Command, what: str) -> None:
    """Hand the terminal over to a program until it ends.

    Raises:
        ProviderUnavailable: It failed.
    """
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(command.argv, env=command.environment, cwd=empty, check=False)
        except OSError as error:
            raise ProviderUnavailable(
                f"{what} could not be started: {error.strerror}. Run `llm-mcp-hub doctor`."
            ) from None
    if done.returncode:
        raise ProviderUnavailable(f"{what} did not succeed (exit code {done.returncode}).")
