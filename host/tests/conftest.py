"""Two test processes share the machine: TensorFlow takes one core in each, whichever test imports it first."""

import os

for _variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_variable, "1")
