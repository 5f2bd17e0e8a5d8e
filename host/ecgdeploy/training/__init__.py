"""Training: one TOML file in, one run folder out, every byte of it hashed.

``config`` reads the file, ``checks`` refuses what cannot train, ``shards`` holds the data on disk, ``loop`` trains with
exact resume, ``run`` puts them together. Only ``loop``, ``losses``, ``pipeline`` and ``runtime`` import TensorFlow.
"""
