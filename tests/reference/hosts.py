"""Hosts of `network_hosts` for mpiexec, which starts ranks on them by a remote shell.

    with network(2) as hosts:
        MpiRun(2, command, folder, before=hosts.before, extra=options(hosts.addresses, hosts.shell, hosts.subnet))

`shell` stands in place of ssh: it enters the namespace of a host, with a hostname and shared memory of its own, so that
ranks on two of them can reach each other by TCP alone. mpiexec runs in a namespace of that network as well: its helpers
call it back.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .network_hosts import network_hosts

SHELL = """#!/bin/sh
while case "$1" in -*) true ;; *) false ;; esac; do shift; done  # options for ssh
host=$1
shift
case $host in
{cases}
esac
exec ip netns exec $space unshare --uts --ipc sh -c "echo $host > /proc/sys/kernel/hostname; $*"
"""


@dataclass(frozen=True)
class MpiHosts:
    """`before` runs a command in the network, on none of the hosts."""

    addresses: list[str]
    subnet: str
    shell: Path
    before: list[str]


@contextlib.contextmanager
def network(count: int) -> Iterator[MpiHosts]:
    """Skips the test where that cannot be."""
    with network_hosts(count + 1) as hosts, tempfile.TemporaryDirectory() as folder:  # the last one is mpiexec's
        if not hosts.are_apart or not shutil.which("unshare"):
            pytest.skip("network namespaces need root, iproute2 and unshare")
        shell = Path(folder) / "shell"
        cases = (f"{address}) space={name} ;;" for address, name in zip(hosts.addresses, hosts.names, strict=True))
        shell.write_text(SHELL.format(cases="\n".join(cases)))
        shell.chmod(0o755)
        yield MpiHosts(hosts.addresses[:-1], hosts.subnet, shell, hosts.command(count))
