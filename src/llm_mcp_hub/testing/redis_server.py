"""A real Redis for tests: on a free loopback port, in a directory of its own, keeping nothing.

It is ready when the block is entered and gone when it is left, however the block ends.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

START_SECONDS = 10.0
"""A start takes some 30 ms; a loaded machine may need far longer."""
STOP_SECONDS = 5.0
"""It has nothing to save; after this it is killed."""
LOOK_AGAIN_SECONDS = 0.01
"""Between two looks at whether it is ready."""


def redis_server_binary() -> str | None:
    """The `redis-server` on the path, or None: tests that need one are skipped then."""
    return shutil.which("redis-server")


class RedisServer:
    """One `redis-server` process that can be stopped, started again and held up.

    Args:
        directory: Where it may write.
        cluster: Whether it is a Redis Cluster of one node, which refuses whatever a larger
            cluster would have to refuse.
        options: Further command-line options.
        config: A configuration file to start with, which a Sentinel needs, and writes to.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cluster: bool = False,
        options: Sequence[str] = (),
        config: Path | None = None,
    ) -> None:
        self.port, self.bus_port = free_ports(2)
        self._directory = directory
        self._cluster = cluster
        self._options = [*options]
        self._config = config
        if cluster:
            self._options += ["--cluster-enabled", "yes", "--cluster-port", str(self.bus_port)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The `redis://` URL of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and return when it serves."""
        binary = redis_server_binary()
        if binary is None:
            raise RuntimeError("no redis-server on the path; install Redis to run this test")
        # A cluster node that finds its old configuration would bring the slots with it.
        (self._directory / "nodes.conf").unlink(missing_ok=True)
        with (self._directory / "redis.log").open("ab") as log:
            config = [str(self._config)] if self._config is not None else []
            settings = f"--port {self.port} --bind 127.0.0.1 --appendonly no --save".split()
            self._process = subprocess.Popen(
                [binary, *config, *settings, "", *self._options],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if self._cluster:
            self.until(lambda: self.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383"))
            self.until(lambda: b"cluster_state:ok" in self.command("CLUSTER", "INFO"))
        else:
            self.until(lambda: self.command("PING"))

    def stop(self) -> None:
        """End it and return when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def pause(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def command(self, *words: str) -> Any:
        """The reply to one command, undecoded, over a connection of its own."""
        client = Redis(port=self.port, protocol=2, socket_timeout=START_SECONDS)
        # The library's own reading of replies differs between commands.
        client.response_callbacks.clear()
        with contextlib.closing(client):
            execute: Callable[..., Any] = client.execute_command
            return execute(*words)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the redis-server is stopped; start it first")
        return self._process

    def until(self, condition: Callable[[], object]) -> None:
        """Return when the condition holds; an error of Redis counts as not yet."""
        process, deadline = self._running(), time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(RedisError):
                if condition():
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_AGAIN_SECONDS)
                raise RuntimeError(f"redis-server ended:\n{self._log()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"redis-server is not ready:\n{self._log()}")

    def _log(self) -> str:
        return (self._directory / "redis.log").read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def redis_server(
    *, cluster: bool = False, options: Sequence[str] = (), config: Path | None = None
) -> Iterator[RedisServer]:
    """A running server, ended with the block.

    Args:
        cluster: Whether it is a Redis Cluster of one node.
        options: Further command-line options of `redis-server`.
        config: A configuration file to start with.
    """
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        server = RedisServer(Path(directory), cluster=cluster, options=options, config=config)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on at present."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
