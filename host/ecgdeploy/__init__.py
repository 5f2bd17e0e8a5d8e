"""ecgdeploy: put ECG models on small devices and prove, bit for bit, what they do there."""

__version__ = "0.1.0"
