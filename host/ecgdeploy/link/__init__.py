"""The wire between host and device: one declaration, its codec, and a client that loses nothing.

``protocol`` declares every message once; ``render`` writes the C header and the protocol page from it; ``codec`` is
framing (COBS, CRC-32); ``window`` sends commands and goes back; ``client`` keeps a session over any ``transport``,
each result exactly once; ``faults`` is a line that does everything wrong.
"""

from ecgdeploy.link.client import Client
from ecgdeploy.link.values import Hello, Inference, LinkStatistics, TensorInfo

__all__ = ["Client", "Hello", "Inference", "LinkStatistics", "TensorInfo"]
