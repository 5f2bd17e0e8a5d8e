"""A release as a systemd service on a board: installed, started, watched, and put back by systemd's own rollback unit.

The service serves the board's serial port, and a socket on the board over which it is asked whether it is well. The
same rollback unit runs when nobody is connected: systemd starts it once a release has failed too often.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from ecgdeploy.devices.ssh import Remote, RemoteError
from ecgdeploy.errors import EcgDeployError
from ecgdeploy.flash.golden import check_release
from ecgdeploy.projects.bundle import SERVICE_BASE, SERVICE_FILES

SERVICE = "ecgdeploy.service"
ROLLBACK = "ecgdeploy-rollback.service"
UNITS = "/etc/systemd/system"
SOCKET = "/run/ecgdeploy/link.sock"
RETURN_ROUNDS = 30
RETURN_EVERY_S = 2.0


def must(remote: Remote, command: str, code: str) -> str:
    """Output of a command.

    Raises
    ------
    RemoteError
        With `code` when it fails, ``disk`` when that is why.
    """
    done = remote.run(command)
    if done.status:
        said = (done.errors.strip().splitlines() or [f"status {done.status}"])[-1]
        code = "disk" if "No space left" in done.errors else code
        raise RemoteError(code, f"{remote.name}: {said}", "free disk, or look at the board")
    return done.output


class Failure:
    """A release that failed after the switch, and what came of it: an error for each end."""

    def __init__(self, board: str, release: str, previous: str | None, cause: EcgDeployError) -> None:
        self.previous, self.cause = previous, cause
        self.why = f"release {release} failed on {board}: {cause.message}"

    def first(self) -> RemoteError:
        """There was no release before: the cause's own code."""
        code = self.cause.code if isinstance(self.cause, RemoteError) else "health"
        return RemoteError(code, f"{self.why}; the board serves no release, as before", self.cause.hint)

    def undone(self) -> RemoteError:
        """The release before serves again."""
        return RemoteError("rolled_back", f"{self.why}; the board serves release {self.previous} again",
                           self.cause.hint)

    def not_undone(self, error: EcgDeployError) -> RemoteError:
        """Nor does the release before."""
        return RemoteError("rollback_failed", f"{self.why}; and so did the way back: {error.message}",
                           "log in and repair the link `current` in the folder of the releases")


class Service:
    """The systemd service of one board.

    Parameters
    ----------
    remote : Remote
    pause : callable
        Waits that many seconds.
    """

    def __init__(self, remote: Remote, pause: Callable[[float], None]) -> None:
        self.remote, self.pause = remote, pause
        self.sudo = ""
        self.restarts = "0"

    @property
    def program(self) -> str:
        """Command that reaches the serving process."""
        return f"{self.sudo}{SERVICE_BASE}/current/firmware --connect {SOCKET}"

    def prepare(self) -> None:
        """Find out how to become root, and make the folder of the releases.

        Raises
        ------
        RemoteError
            ``service``: no systemd, or no right to install a service.
        """
        if self.remote.run("systemctl --version").status:
            raise RemoteError("service", f"{self.remote.name} has no systemd", "deploy with --no-service")
        if self.remote.run("id -u").output.strip() != "0":
            if self.remote.run("sudo -n true").status:
                raise RemoteError("service", f"{self.remote.name}: its user may not install a service",
                                  "log in as root, allow sudo without password, or deploy with --no-service")
            self.sudo = "sudo -n "
        folders = f"{SERVICE_BASE} {SERVICE_BASE}/releases"
        must(self.remote, f"{self.sudo}install -d -m 755 -o $(id -un) {folders}", "service")

    def start(self, release: str) -> None:
        """Install the units of the release that `current` points at, and start it; READY=1 ends the wait.

        Raises
        ------
        RemoteError
            ``service`` or ``start``.
        """
        source = f"{SERVICE_BASE}/current"
        units = " ".join(f"{source}/{name}" for name in SERVICE_FILES if name.endswith(".service"))
        must(self.remote, f"install -m 755 {source}/rollback.sh {SERVICE_BASE}/", "transfer")
        must(self.remote, f"{self.sudo}install -m 644 {units} {UNITS}/", "service")
        for words in ("daemon-reload", f"enable --quiet {SERVICE}"):
            must(self.remote, f"{self.sudo}systemctl {words}", "service")
        # earlier restarts would use up the new release's
        self.remote.run(f"{self.sudo}systemctl reset-failed {SERVICE}")
        if self.remote.run(f"{self.sudo}systemctl restart {SERVICE}").status:
            raise RemoteError("start", f"{self.remote.name}: systemd could not start release {release}: {self._log()}",
                              f"journalctl -u {SERVICE} on the board says more")
        self.restarts = self._restarts()

    def _restarts(self) -> str:
        return self.remote.run(f"systemctl show --property NRestarts --value {SERVICE}").output.strip()

    def _log(self) -> str:
        lines = self.remote.run(f"{self.sudo}journalctl --unit {SERVICE} --lines 3 --output cat --quiet").output
        return " / ".join(lines.split("\n")).strip(" /") or "no log"

    def check(self) -> None:
        """Whether the service still runs and was not restarted meanwhile.

        Raises
        ------
        RemoteError
            ``health``.
        """
        if self.remote.run(f"systemctl is-active --quiet {SERVICE}").status:
            raise RemoteError("health", f"{self.remote.name}: the service has stopped: {self._log()}", "")
        if (restarts := self._restarts()) != self.restarts:
            raise RemoteError("health", f"{self.remote.name}: systemd had to restart it ({restarts} times): "
                              f"{self._log()}", f"journalctl -u {SERVICE} on the board says more")

    def roll_back(self, release: str, previous: str | None, cause: EcgDeployError) -> NoReturn:
        """Back to the release before through systemd's rollback unit, unless it has been there first.

        Raises
        ------
        RemoteError
            Always: ``rolled_back``, ``rollback_failed``, or the cause's code when there was no release before.
        """
        failure = Failure(self.remote.name, release, previous, cause)
        if previous is None or previous == release:
            self.remote.run(f"{self.sudo}systemctl disable --quiet --now {SERVICE}")
            must(self.remote, f"rm -f {SERVICE_BASE}/current", "transfer")
            raise failure.first() from cause
        try:
            if self.remote.run(f"readlink {SERVICE_BASE}/current").output.strip().endswith(f"/{release}"):
                self.remote.run(f"{self.sudo}systemctl stop {SERVICE}")
                must(self.remote, f"{self.sudo}systemctl start {ROLLBACK}", "rollback_failed")
            self._await(previous)
        except EcgDeployError as error:
            raise failure.not_undone(error) from error
        raise failure.undone() from cause

    def _await(self, release: str) -> None:
        for left in reversed(range(RETURN_ROUNDS)):
            try:
                return check_release(self.remote, self.program, release)
            except RemoteError:
                if not left:
                    raise
            self.pause(RETURN_EVERY_S)
