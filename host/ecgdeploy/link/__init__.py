"""The wire between host and device: one declaration, its codec, and a client that loses nothing.

``protocol`` declares every message once; ``render`` writes the C header and the protocol page from it; ``codec`` is
framing (COBS, CRC-32); ``client`` keeps a session over any byte transport: windowed, retried, exactly once.
"""

from ecgdeploy.link.client import Client, Hello, Inference, LinkStatistics, TensorInfo

__all__ = ["Client", "Hello", "Inference", "LinkStatistics", "TensorInfo"]
