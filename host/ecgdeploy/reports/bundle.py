"""A run as evidence in one file: what was asked, what was found, from what, and sums over all of it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

from ecgdeploy.errors import DataError
from ecgdeploy.provenance import canonical_json, sha256_bytes, write_atomic

SUMS = "SHA256SUMS"
#: a zip file's first year: when it was packed is no property of the evidence
EPOCH = (1980, 1, 1, 0, 0, 0)
#: of a run folder; the journal is left out, results.jsonl has the same answers
KEPT = ("result.json", "results.jsonl", "link.json", "build.json", "report.md")
LARGEST = 1 << 30


def pack(folder: Path, result: dict[str, Any], gates: Any = None) -> bytes:
    """The bundle's bytes; the same run and gates give the same bytes.

    Parameters
    ----------
    folder : a run folder.
    result : its ``result.json``.
    gates : `measure.gates.Gates`, judged and packed with their verdicts; None packs none.
    """
    from ecgdeploy.measure.gates import declared, judge
    from ecgdeploy.reports.page import render_page
    from ecgdeploy.reports.sbom import sbom

    files = {name: (folder / name).read_bytes() for name in KEPT if (folder / name).is_file()}
    for path in sorted((folder / "annotations").glob("*")):
        files[f"annotations/{path.name}"] = path.read_bytes()
    files["report.html"] = render_page(result).encode()
    files["sbom.cdx.json"] = sbom(result).encode()
    if gates is not None:
        verdicts = judge(gates, result)
        content = {
            "gates": gates.as_json(), "gates_sha256": gates.sha256, "declared": declared(gates, result),
            "verdicts": [v.as_dict() for v in verdicts], "passed": all(v.passed for v in verdicts),
        }  # fmt: skip
        files["gates.json"] = (canonical_json(content) + "\n").encode()
    files[SUMS] = "".join(f"{sha256_bytes(data)}  {name}\n" for name, data in sorted(files.items())).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as book:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            book.writestr(entry, data)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    """Write a bundle whole."""
    write_atomic(path, content)


def check(path: Path) -> list[str]:
    """Hold every file of a bundle against its sums; the names that are whole.

    Raises
    ------
    DataError
        No bundle, a damaged, missing or additional file: each named.
    """
    try:
        with zipfile.ZipFile(path) as book:
            names = [entry.filename for entry in book.infolist()]
            lines = (line.split("  ", 1) for line in book.read(SUMS).decode().splitlines())
            listed = {name: digest for digest, name in lines}
            wrong = [f"{name} is missing" for name in sorted(set(listed) - set(names))]
            wrong += [f"{name} is not in {SUMS}" for name in sorted(set(names) - set(listed) - {SUMS})]
            wrong += [f"{name} is twice in it" for name in sorted({n for n in names if names.count(n) > 1})]
            for name in sorted(set(listed) & set(names)):
                if _sum(book, name) != listed[name]:
                    wrong.append(f"{name} is damaged")
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: no readable bundle: {str(error)[:80]}", "ecgdeploy bundle RUN makes one") from error
    except Exception as error:
        if type(error).__module__ != "zlib":
            raise
        raise DataError(f"{path}: a file in it is damaged: {error}", "copy it again, or pack the run again") from error
    if wrong:
        raise DataError(f"{path}: {wrong[0]}", "copy it again, or pack the run again")
    return sorted(listed)


def _sum(book: zipfile.ZipFile, name: str) -> str:
    """SHA-256 of a packed file, read in pieces, at most `LARGEST` bytes of it."""
    digest, read = hashlib.sha256(), 0
    with book.open(name) as file:
        while block := file.read(1 << 20):
            read += len(block)
            if read > LARGEST:
                raise ValueError(f"{name} unpacks to more than {LARGEST} bytes")
            digest.update(block)
    return digest.hexdigest()
