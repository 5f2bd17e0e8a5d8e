"""Facts of the papers' networks that data and studies need too, without TensorFlow."""

#: leads of the paper's three inputs
LEADS: dict[int, tuple[str, ...]] = {
    12: ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"),
    5: ("I", "II", "V1", "V3", "V6"),
    3: ("I", "II", "V2"),
}

#: units of the diagnostic, form and rhythm heads. The paper's "56" and "41" count distinct statements: 60 and 45 units.
UNITS: dict[str, tuple[int, int, int]] = {"75": (44, 19, 12), "56": (36, 15, 9), "41": (28, 11, 6)}
