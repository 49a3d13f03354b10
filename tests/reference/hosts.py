"""Hosts of a network on one machine: network namespaces on a bridge, as root.

    with network(2) as hosts:
        MpiRun(2, command, folder, before=hosts.before, extra=options(hosts.addresses, hosts.shell, hosts.subnet))

`shell` stands in place of ssh: it enters the namespace of a host, with a hostname and shared memory of its own, so that
ranks on two of them can reach each other by TCP alone. mpiexec runs in a namespace of that network as well: its helpers
call it back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SHELL = """#!/bin/sh
while case "$1" in -*) true ;; *) false ;; esac; do shift; done  # options for ssh
host=$1
shift
exec ip netns exec {prefix}-$host unshare --uts --ipc sh -c "echo $host > /proc/sys/kernel/hostname; $*"
"""
TOOLS = ("ip", "unshare")


@dataclass(frozen=True)
class Hosts:
    """`before` runs a command in the network, on none of the hosts."""

    addresses: list[str]
    subnet: str
    shell: Path
    before: list[str]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def network(count: int) -> Iterator[Hosts]:
    """Skips the test where that cannot be."""
    if os.geteuid() or not all(map(shutil.which, TOOLS)):
        pytest.skip("namespaces need root and iproute2")
    number = os.getpid() % 200 + 20
    prefix, bridge, subnet = f"c64-{number}", f"c64br{number}", f"10.{number}.77"
    hosts = [f"{subnet}.{2 + host}" for host in range(count + 1)]  # the last one is mpiexec's
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as clean:
        shell = Path(folder) / "shell"
        shell.write_text(SHELL.format(prefix=prefix))
        shell.chmod(0o755)
        try:
            clean.callback(subprocess.run, ["ip", "link", "del", bridge], capture_output=True)
            _ip("link", "add", bridge, "type", "bridge")
            _ip("link", "set", bridge, "up")
            for host, address in enumerate(hosts):
                space, end = f"{prefix}-{address}", f"c64v{number}-{host}"
                clean.callback(subprocess.run, ["ip", "netns", "del", space], capture_output=True)
                _ip("netns", "add", space)
                _ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", space)
                _ip("link", "set", end, "master", bridge, "up")
                _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
                for each in ("lo", "eth0"):
                    _ip("-n", space, "link", "set", each, "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr}")
        yield Hosts(hosts[:-1], f"{subnet}.0/24", shell, ["ip", "netns", "exec", f"{prefix}-{hosts[-1]}"])
