"""A tree of files as an initial RAM disk (cpio, format ``newc``): a board's whole root, made without being root.

A machine that boots from it starts from the same clean state every time; nothing it does outlives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from ecgdeploy.errors import BuildError
from ecgdeploy.toolchains.debian import Node, Tree

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
FIELDS = 13


def cpio(tree: Tree, owners: dict[str, int] | None = None) -> bytes:
    """The tree as an uncompressed archive.

    Parameters
    ----------
    owners : dict of str to int, optional
        Owner and group of whatever lies at or below a path; 0 elsewhere.
    """
    whole = dict(tree)
    for path in tree:
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                whole.setdefault(str(parent), Node(0o040755))
    parts: list[bytes] = []
    for number, (path, node) in enumerate(sorted(whole.items()), 1):
        owner = next((uid for top, uid in (owners or {}).items() if path == top or path.startswith(top + "/")), 0)
        parts += _entry(path, node, number, owner)
    parts += _entry(TRAILER, Node(0), 0, 0)
    return b"".join(parts)


def _entry(path: str, node: Node, number: int, owner: int) -> list[bytes]:
    name = path.encode() + b"\0"
    fields = (number, node.mode, owner, owner, 1, 0, len(node.data), 0, 0, 0, 0, len(name), 0)
    assert len(fields) == FIELDS
    head = MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return [head, bytes(-len(head) % 4), node.data, bytes(-len(node.data) % 4)]


def module_order(kernel: Tree, wanted: Iterable[str]) -> list[str]:
    """Paths of kernel modules and of all that they depend on, in the order to load them.

    Debian's ``modules.dep`` is made when the package is configured; the modules say the same of themselves.

    Raises
    ------
    BuildError
        The kernel has no such module.
    """
    paths = {path.rsplit("/", 1)[-1].removesuffix(".ko").replace("-", "_"): path for path in kernel
             if path.endswith(".ko")}  # fmt: skip
    order: list[str] = []

    def add(name: str, needed: bool) -> None:
        path = paths.get(name.replace("-", "_"))
        if path is None:
            if needed:
                raise BuildError(f"the kernel has no module {name}", "use another kernel package")
            return
        if path in order:
            return
        found = re.search(rb"\0depends=([^\0]*)\0", b"\0" + kernel[path].data)
        for other in found[1].decode().split(",") if found and found[1] else []:
            add(other, needed=True)
        order.append(path)

    for name in wanted:
        # one with a question mark may be built in
        add(name.rstrip("?"), needed=not name.endswith("?"))
    return order
