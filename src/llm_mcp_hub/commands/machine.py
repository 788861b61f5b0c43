"""What this machine has to offer: memory and ports."""

import http.client
from pathlib import Path

PROBE_SECONDS = 1.0
MEGABYTE = 1024 * 1024


def available_megabytes() -> int | None:
    """Memory that can still be used, by the machine and by the container; None if unknown."""
    found = [one for one in (_of_machine(), _of_container()) if one is not None]
    return min(found) // MEGABYTE if found else None


def serves_a_hub(host: str, port: int) -> bool:
    """Whether it is a hub that answers there."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        return answer.status == 200 and b'"alive"' in answer.read(256)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_container() -> int | None:
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text("ascii").strip()
        used = (group / "memory.current").read_text("ascii").strip()
    except OSError:
        return None
    return None if limit == "max" else max(0, int(limit) - int(used))
