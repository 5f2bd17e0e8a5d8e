"""Beat classes of ANSI/AAMI EC57: which annotation symbols are beats, and to which of N, S, V, F, Q each belongs."""

from __future__ import annotations

# ANSI/AAMI EC57 as de Chazal, O'Dwyer and Reilly (IEEE Trans Biomed Eng 51:1196, 2004), table I, apply it to the
# MIT-BIH symbols: escape beats (e, j) are N. The reference program bxb counts them as S; `scoring` follows bxb there.
CLASS_OF = {
    "N": "N", "L": "N", "R": "N", "B": "N", "e": "N", "j": "N", "n": "N",
    "A": "S", "a": "S", "J": "S", "S": "S",
    "V": "V", "E": "V", "r": "V",
    "F": "F",
    "/": "Q", "f": "Q", "Q": "Q", "?": "Q",
}  # fmt: skip

# EC57, 4.2 and the published protocols: records with paced beats are not scored
PACED_RECORDS = ("102", "104", "107", "217")


def is_beat(symbol: str) -> bool:
    """Whether a WFDB symbol marks a beat (and not a rhythm change, noise, a wave ...)."""
    return symbol in CLASS_OF
