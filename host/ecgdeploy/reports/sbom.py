"""The software behind a result as a CycloneDX bill of materials: firmware, model, tools and packages, with hashes."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ecgdeploy.errors import UsageError
from ecgdeploy.provenance import canonical_json

LICENCE = "Apache-2.0"


def sbom(result: dict[str, Any]) -> str:
    """CycloneDX 1.6 JSON of a run's ``result.json``; the same result gives the same bytes.

    Raises
    ------
    UsageError
        The library that writes it is not installed.
    """
    try:
        from cyclonedx.model import HashAlgorithm, HashType, Property
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6
        from packageurl import PackageURL
    except ImportError as error:
        raise UsageError("an SBOM needs cyclonedx-python-lib", "pip install 'ecgdeploy[evidence]'") from error

    facts = result["provenance"]

    def component(kind: Any, name: str, version: str | None, sha256: str | None = None, **more: Any) -> Any:
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else None
        place = f"{name}@{version or ''}"
        return Component(type=kind, name=name, version=version, hashes=hashes, bom_ref=place, **more)

    firmware = component(
        ComponentType.FIRMWARE, f"{facts['model']} for {facts['board']}", facts["build_id"],
        facts.get("firmware_sha256"),
        properties=[Property(name=f"ecgdeploy:{k}", value=str(facts[k])) for k in ("board", "engine", "emulated")],
    )  # fmt: skip
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, canonical_json(facts)))
    bom.metadata.component = firmware
    bom.metadata.timestamp = None  # type: ignore[assignment]  # when it was written is no property of the result
    parts = [component(ComponentType.MACHINE_LEARNING_MODEL, facts["model"], None, facts["model_sha256"])]
    compiler = facts["build"].get("compiler")
    if compiler:
        parts.append(component(ComponentType.APPLICATION, "compiler", str(compiler)))
    if facts.get("twin"):
        parts.append(component(ComponentType.PLATFORM, f"QEMU machine {facts['twin']}", None))
    for name, version in facts["versions"].items():
        if name == "python":
            parts.append(component(ComponentType.PLATFORM, "CPython", version))
        elif version is not None:
            url = PackageURL(type="pypi", name=name, version=version)
            parts.append(component(ComponentType.LIBRARY, name, version, purl=url))
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(firmware, parts)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"
