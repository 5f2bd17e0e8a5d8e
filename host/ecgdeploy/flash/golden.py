"""Golden vectors through the link: whether a release on a board answers, is the one meant, and answers as it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ecgdeploy.devices import Device
from ecgdeploy.devices.ssh import Remote, RemoteError
from ecgdeploy.errors import EcgDeployError
from ecgdeploy.link.transport import Silence

if TYPE_CHECKING:
    from ecgdeploy.flash.linux import Bundle


def check_golden(bundle: Bundle, remote: Remote, program: str) -> None:
    """Send the golden vectors to a program on the board.

    Raises
    ------
    RemoteError
        ``start``: it does not run; ``link_timeout``: it runs and says nothing; ``release``: it is another one;
        ``golden``: it answers otherwise.
    """
    golden = bundle.golden
    try:
        with Device(remote.line(program), expect_model=bundle.manifest["model_sha256"]) as device:
            _same_release(remote, device, bundle.release)
            for number, window in enumerate(golden["windows"]):
                outputs = device.infer(b"".join(map(bytes.fromhex, window["inputs"]))).outputs
                if not _near(outputs, window, golden["steps"], golden["tolerance"]):
                    raise RemoteError("golden", f"{remote.name}: golden vector {number} is answered otherwise",
                                      "the model, the runtime or the board is damaged")
    except RemoteError:
        raise
    except EcgDeployError as error:
        raise _unanswered(remote, error) from error


def check_release(remote: Remote, program: str, release: str) -> None:
    """Ask a program on the board for its release.

    Raises
    ------
    RemoteError
        ``start``, ``link_timeout`` or ``release``.
    """
    try:
        with Device(remote.line(program)) as device:
            _same_release(remote, device, release)
    except RemoteError:
        raise
    except EcgDeployError as error:
        raise _unanswered(remote, error) from error


def _same_release(remote: Remote, device: Device, release: str) -> None:
    if device.hello.build_id != release:
        raise RemoteError("release", f"{remote.name} runs {device.hello.build_id}, not {release}",
                          "another program was deployed meanwhile: deploy again")


def _unanswered(remote: Remote, error: EcgDeployError) -> RemoteError:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Silence):
        cause = cause.__cause__
    return RemoteError("start" if cause is None else "link_timeout", f"{remote.name}: {error.message}", error.hint)


def _near(outputs: Any, window: dict[str, list[str]], steps: float, tolerance: float) -> bool:
    for output, wanted, dtype in zip(outputs, window["outputs"], window["dtypes"], strict=True):
        ours, theirs = np.frombuffer(output, dtype), np.frombuffer(bytes.fromhex(wanted), dtype)
        if ours.shape != theirs.shape:
            return False
        limit = tolerance if np.issubdtype(ours.dtype, np.floating) else steps
        if not bool(np.all(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)) <= limit)):
            return False
    return True
