"""Synthetic ECGs with known beats: McSharry's dynamical model with ectopic beats, several leads and noise, seeded.

McSharry PE, Clifford GD, Tarassenko L, Smith LA. A dynamical model for generating synthetic electrocardiogram signals.
IEEE Trans Biomed Eng 50(3):289-294 (2003). Its third equation,

    dz/dt = - sum_i a_i dtheta_i exp(-dtheta_i^2 / 2 b_i^2) - (z - z0(t)),

is linear in z; on the limit cycle of the first two, theta is the phase within the beat, so we integrate it exactly
over each sample instead of stepping a Runge-Kutta rule. Departures from the paper, for ectopic beats: the waves keep
their duration in seconds when the interval changes (the T wave follows its square root), and each beat has its own
set of waves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgdeploy.ecg.record import STANDARD_LEADS, Annotations, Record
from ecgdeploy.errors import unknown

NAME = "synthetic ECG (McSharry's dynamical model)"
LICENCE = "none needed: generated"
WAVES = ("P", "Q", "R", "S", "T")

# centre (s from the R peak), width (s), amplitude (mV): the paper's table I at 60 beats a minute, R wave scaled to 1 mV
_NORMAL = np.array(
    [[-0.167, 0.040, 0.13], [-0.038, 0.012, -0.12], [0.0, 0.013, 1.0], [0.036, 0.013, -0.22], [0.25, 0.052, 0.28]]
)
# an atrial ectopic: the P wave is early and inverted; the ventricles are excited as usual
_SUPRA = _NORMAL * [[0.9, 0.8, -0.8], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 0.9]]
# a ventricular ectopic: no P wave, a wide and tall QRS, the T wave against it
_VENTRICULAR = np.array(
    [[-0.167, 0.040, 0.0], [-0.070, 0.030, -0.25], [0.0, 0.042, 1.35], [0.085, 0.036, -0.45], [0.30, 0.075, -0.48]]
)
_SHAPES = {"N": _NORMAL, "A": _SUPRA, "V": _VENTRICULAR}
# how large each of P, Q, R, S, T is in a lead, against lead II; limb leads other than I and II follow from them
_LEAD_GAINS = {
    "II": (1.0, 1.0, 1.0, 1.0, 1.0),
    "I": (0.6, 0.5, 0.55, 0.6, 0.7),
    "V1": (0.5, 0.2, 0.22, 4.0, -0.35),
    "V2": (0.5, 0.2, 0.45, 5.5, 1.3),
    "V3": (0.5, 0.4, 0.8, 4.0, 1.5),
    "V4": (0.6, 0.8, 1.4, 2.2, 1.4),
    "V5": (0.6, 1.1, 1.3, 1.0, 1.1),
    "V6": (0.6, 1.1, 1.0, 0.6, 0.9),
}
_LEAD_GAINS["MLII"] = _LEAD_GAINS["II"]


@dataclass(frozen=True)
class Synthetic:
    """A set of synthetic recordings, each of its own person.

    Parameters
    ----------
    count : int
        Number of records, ``syn-000`` onwards.
    seconds, rate : float
        Duration and samples a second.
    leads : tuple of str
        Any of the 12 standard leads and MLII.
    seed : int
        Equal seeds give equal bits.
    supraventricular, ventricular : float
        Mean share of ectopic beats of each kind; each person's own share varies around it.
    noise : float
        1.0 is ambulatory (baseline wander, mains hum, muscle noise); 0.0 is none.
    heart_rate : (float, float)
        Beats a minute: each person's mean lies between the two.
    irregularity : float
        Share by which each interval may be longer or shorter, as in atrial fibrillation.
    wave_gains : five floats
        Factors on the P, Q, R, S and T waves of every beat.
    qrs_stretch : float
        Factor on the duration of the QRS complex, as in bundle branch block.
    """

    count: int = 28
    seconds: float = 180.0
    rate: float = 360.0
    leads: tuple[str, ...] = ("MLII", "V1")
    seed: int = 2003
    supraventricular: float = 0.06
    ventricular: float = 0.12
    noise: float = 1.0
    heart_rate: tuple[float, float] = (58.0, 92.0)
    irregularity: float = 0.0
    wave_gains: tuple[float, float, float, float, float] = (1.0, 1.0, 1.0, 1.0, 1.0)
    qrs_stretch: float = 1.0

    def names(self) -> tuple[str, ...]:
        """Names of the records."""
        return tuple(f"syn-{i:03d}" for i in range(self.count))

    def record(self, name: str) -> Record:
        """Generate one record."""
        if name not in self.names():
            raise unknown("synthetic record", name, self.names())
        rng = np.random.default_rng([self.seed, int(name[4:])])
        samples = round(self.seconds * self.rate)
        peaks, symbols = self._rhythm(rng)
        shapes = {symbol: self._changed(_person(shape, rng)) for symbol, shape in _SHAPES.items()}
        computed = [lead for lead in _LEAD_GAINS if lead in self.leads]
        if set(self.leads) & {"III", "aVR", "aVL", "aVF"}:
            computed = list(dict.fromkeys([*computed, "I", "II"]))
        for lead in self.leads:
            if lead not in _LEAD_GAINS and lead not in STANDARD_LEADS:
                raise unknown("lead", lead, (*STANDARD_LEADS, "MLII"))
        person_gain = rng.uniform(0.7, 1.4)
        waves = _integrate(peaks, symbols, shapes, samples, self.rate)
        signals = {}
        for lead in computed:
            gains = np.array(_LEAD_GAINS[lead]) * rng.uniform(0.85, 1.15, 5) * person_gain
            signals[lead] = gains @ waves + self.noise * _noise(samples, self.rate, rng)
        if "I" in signals and "II" in signals:
            one, two = signals["I"], signals["II"]
            signals |= {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
        places = np.round(peaks * self.rate).astype(np.int64)
        inside = (places >= 0) & (places < samples)
        return Record(
            name=name,
            signal=np.stack([signals[lead] for lead in self.leads], axis=1).astype(np.float32),
            leads=self.leads,
            rate=self.rate,
            patient=f"{name}-person",
            source=NAME,
            licence=LICENCE,
            annotations=Annotations.at(places, symbols).select(inside),
            synthetic=True,
        )

    def _changed(self, shape: np.ndarray) -> np.ndarray:
        changed = shape.copy()
        changed[:, 2] *= self.wave_gains
        changed[1:4, :2] *= self.qrs_stretch
        return changed

    def _rhythm(self, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
        """Times of the R peaks (s) and their symbols; heart rate varies with breathing and slowly, as in the paper."""
        mean = 60.0 / rng.uniform(*self.heart_rate)
        share_s = self.supraventricular * rng.uniform(0.2, 1.8)
        share_v = self.ventricular * rng.uniform(0.2, 1.8)
        breath, slow = rng.uniform(0, 2 * np.pi, 2)
        times: list[float] = []
        symbols: list[str] = []
        now, pause = float(rng.uniform(0.1, 0.6)), 0.0
        while now < self.seconds + 1.0:
            interval = mean * (
                1
                + 0.03 * np.sin(2 * np.pi * 0.25 * now + breath)
                + 0.03 * np.sin(2 * np.pi * 0.1 * now + slow)
                + 0.01 * rng.standard_normal()
            )
            if self.irregularity:
                interval *= rng.uniform(1 - self.irregularity, 1 + self.irregularity)
            draw = rng.random()
            ectopic = bool(symbols) and symbols[-1] == "N"  # never two in a row: couplets need another model
            symbol = "V" if ectopic and draw < share_v else "A" if ectopic and draw < share_v + share_s else "N"
            early = {"V": rng.uniform(0.62, 0.78), "A": rng.uniform(0.66, 0.82), "N": 1.0}[symbol]
            now += interval * early + pause
            # a ventricular ectopic leaves the sinus node alone: the next beat comes when it would have (full pause)
            pause = interval * (1 - early) if symbol == "V" else 0.0
            times.append(now)
            symbols.append(symbol)
        return np.array(times), symbols


def _person(shape: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The waves of one person: centres and widths within 8 %, amplitudes within 20 %."""
    spread = np.array([0.08, 0.08, 0.20])
    return shape * (1 + spread * rng.uniform(-1, 1, shape.shape))


def _integrate(
    peaks: np.ndarray,
    symbols: list[str],
    shapes: dict[str, np.ndarray],
    samples: int,
    rate: float,
) -> np.ndarray:
    """Solve the model's third equation for each wave alone; float64 [5, samples]. A lead is a weighted sum of them."""
    from scipy.signal import lfilter

    forcing = np.zeros((len(WAVES), samples))
    before = np.concatenate((peaks[:1] - 1.0, peaks[:-1]))
    for peak, last, symbol in zip(peaks, before, symbols, strict=True):
        first, end = max(0, int((peak - 0.7) * rate)), min(samples, int((peak + 0.9) * rate))
        time = np.arange(first, end) / rate - peak
        for row, (place, width, amplitude) in enumerate(shapes[symbol]):
            stretch = np.sqrt(min(max(peak - last, 0.4), 1.2)) if WAVES[row] == "T" else 1.0
            away, spread = time - place * stretch, width * stretch
            # a_i b_i^2 / omega is the wave's height, so this is a_i dtheta_i exp(...) with the height given in mV
            forcing[row, first:end] -= amplitude * away / spread**2 * np.exp(-(away**2) / (2 * spread**2))
    decay = np.exp(-1.0 / rate)  # the paper's relaxation rate is one a second
    return lfilter([1 - decay], [1.0, -decay], forcing)


def _noise(samples: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Baseline wander, mains hum and muscle noise; float64 [samples], mV."""
    time = np.arange(samples) / rate
    wander = 0.06 * np.sin(2 * np.pi * rng.uniform(0.15, 0.3) * time + rng.uniform(0, 2 * np.pi))
    wander += 0.04 * np.sin(2 * np.pi * rng.uniform(0.03, 0.08) * time + rng.uniform(0, 2 * np.pi))
    hum = 0.006 * np.sin(2 * np.pi * 50.0 * time + rng.uniform(0, 2 * np.pi))
    return wander + hum + 0.012 * rng.standard_normal(samples)
