"""Hosts with addresses of their own on one machine: network namespaces on a bridge, which needs root and iproute2.

Without these they are processes on loopback, and `are_apart` is False.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Hosts:
    """`own` is the address of this process, `addresses` are those of the hosts, `names` their namespaces."""

    own: str
    addresses: list[str]
    are_apart: bool
    names: list[str] = field(default_factory=list)

    @property
    def subnet(self) -> str:
        return f"{self.own.rpartition('.')[0]}.0/24"

    def command(self, host: int, *words: str) -> list[str]:
        """What runs `words` there."""
        return ["ip", "netns", "exec", self.names[host], *words] if self.are_apart else [*words]


@contextlib.contextmanager
def network_hosts(count: int) -> Iterator[Hosts]:
    mark = os.getpid()
    subnet, bridge = f"10.{100 + mark // 250 % 100}.{mark % 250}", f"c{mark}b"
    names = [f"c{mark}n{number}" for number in range(count)]
    hosts = Hosts(f"{subnet}.254", [f"{subnet}.{number + 1}" for number in range(count)], True, names)
    try:
        if not _make(bridge, hosts):
            yield Hosts("127.0.0.1", ["127.0.0.1"] * count, False)
        else:
            yield hosts
    finally:
        for name in names:
            _ip("netns", "del", name)
        _ip("link", "del", bridge)


def _make(bridge: str, hosts: Hosts) -> bool:
    if not (shutil.which("ip") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return False
    done = _ip("link", "add", bridge, "type", "bridge")
    done = done and _ip("addr", "add", f"{hosts.own}/24", "dev", bridge) and _ip("link", "set", bridge, "up")
    for name, address in zip(hosts.names, hosts.addresses, strict=True):
        outer = f"{name}o"
        steps = (
            ("netns", "add", name),
            ("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name),
            ("link", "set", outer, "master", bridge, "up"),
            ("-n", name, "addr", "add", f"{address}/24", "dev", "eth0"),
            ("-n", name, "link", "set", "eth0", "up"),
            ("-n", name, "link", "set", "lo", "up"),
        )
        done = done and all(_ip(*step) for step in steps)
    return done


def _ip(*words: str) -> bool:
    if shutil.which("ip") is None:
        return False
    return subprocess.run(["ip", *words], capture_output=True, check=False).returncode == 0
