"""Where a project's files come from: the model, the firmware tree, the templates."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ecgdeploy.errors import BuildError, ModelError
from ecgdeploy.projects.types import Model
from ecgdeploy.provenance import sha256_bytes
from ecgdeploy.resources import assets


def read_model(model: str | Path, engine: str = "static") -> Model:
    """Read a ``.tflite`` file, or a preset of the model zoo by its name.

    Parameters
    ----------
    model : str or Path
        The file or the preset.
    engine : str
        Engine that will run it; ``litert`` takes every precision and operator that LiteRT has.

    Raises
    ------
    ModelError
        No such file, or it is damaged or asks for what no engine can do.
    UsageError
        No preset of this name.
    """
    path = Path(model)
    name = path.stem
    if path.suffix != ".tflite" and not path.is_file():
        from ecgdeploy.zoo import preset

        name, path = str(model), preset(str(model)).int8
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"no model file {path}", "give a .tflite file or a preset's name") from None
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read: {error.strerror}", "give a .tflite file or a preset's name"
        ) from None
    from ecgdeploy.graph import read_tflite

    # by path: an error names the file
    return Model(name, data, sha256_bytes(data), read_tflite(path, supported=engine != "litert"))


def firmware_files(folders: Iterable[str], kernel_sources: Iterable[str] = ()) -> dict[str, bytes]:
    """Sources and headers of `folders` of the firmware tree, and `kernel_sources` with all kernel headers.

    Returns
    -------
    dict of str to bytes
        ``firmware/...`` to content.
    """
    root = assets() / "firmware"
    found: dict[str, bytes] = {}
    for folder in folders:
        if not (root / folder).is_dir():
            raise BuildError(f"firmware/{folder} is missing from the package", "reinstall ecgdeploy")
        for path in sorted((root / folder).iterdir()):
            if path.suffix in {".c", ".h", ".S", ".cpp", ".ld"}:
                found[f"firmware/{folder}/{path.name}"] = path.read_bytes()
    kernels = list(kernel_sources)
    for source in kernels:
        path = root / source
        if not path.is_file():
            raise BuildError(f"the engine asks for firmware/{source}, which is missing", "reinstall ecgdeploy")
        found[f"firmware/{source}"] = path.read_bytes()
    for parent in sorted({(root / source).parent for source in kernels}):
        for header in sorted(parent.glob("*.h")):
            found[f"firmware/{header.relative_to(root).as_posix()}"] = header.read_bytes()
    return found


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(assets() / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render_template(name: str, **values: Any) -> bytes:
    """One template of ``templates/`` with `values`; a name it uses and is not given is an error."""
    return _environment().get_template(name).render(**values).encode()
