"""From a preprocessed ECG window to the bytes a model's input tensor takes, and from output bytes to scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgdeploy.errors import DataError


@dataclass(frozen=True)
class TensorCoding:
    """How one input or output tensor is stored.

    Attributes
    ----------
    dtype : numpy dtype of the stored values.
    scale, zero_point : affine quantization, ``real = scale * (stored - zero_point)``; scale 0 for float tensors.
    shape : tensor shape with batch 1.
    """

    dtype: np.dtype
    scale: float
    zero_point: int
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the tensor in bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Real values [n, ...] to stored values [n, *shape[1:]]; rounds halves away from zero, saturates.

        A tensor of [leads, samples] takes windows of [samples, leads] transposed.

        Raises
        ------
        DataError
            NaN or infinity in `values`, or a size or two extents that are not the tensor's.
        """
        count = len(values)
        given = tuple(extent for extent in values.shape[1:] if extent != 1)
        wanted = tuple(extent for extent in self.shape[1:] if extent != 1)
        if given != wanted and given == wanted[::-1]:
            values = values.reshape(count, *given).transpose(0, 2, 1)
        elif values.size != count * int(np.prod(self.shape)) or (given != wanted and min(len(given), len(wanted)) > 1):
            raise DataError(
                f"windows of shape {values.shape[1:]} do not fit the model's input {self.shape[1:]}",
                "choose a --task made for this model",
            )
        if not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values.reshape(count, -1)).all(axis=1))[0])
            raise DataError(f"window {bad} holds NaN or infinity", "check the record with 'ecgdeploy data check'")
        if self.scale == 0.0:
            stored = values.astype(self.dtype)
        else:
            info = np.iinfo(self.dtype)
            # float32 division, halves away from zero: the arithmetic of TFLite's QUANTIZE operator
            steps = values.astype(np.float32) / np.float32(self.scale)
            whole = np.trunc(steps)
            rounded = whole + np.where(np.abs(steps - whole) >= 0.5, np.sign(steps), 0)
            stored = np.clip(rounded + self.zero_point, info.min, info.max).astype(self.dtype)
        return stored.reshape((count, *self.shape[1:]))

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Stored values to real values (float32)."""
        if self.scale == 0.0:
            return stored.astype(np.float32)
        return (stored.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)
