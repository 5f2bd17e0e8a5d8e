"""Whether a server answers, found out in a bounded time: name look-ups have no time-out of their own."""

from __future__ import annotations

import threading

REACH_SECONDS = 2.0


def reachable(url: str, seconds: float = REACH_SECONDS) -> bool:
    """Whether `url`'s server answers anything at all; never takes longer than `seconds`."""
    answered = threading.Event()

    def ask() -> None:
        import urllib.error
        import urllib.request

        try:
            with urllib.request.urlopen(url, timeout=seconds):
                answered.set()
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (403, 407):  # a proxy's own refusals
                answered.set()
        except (OSError, ValueError):
            return

    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(seconds)
