"""Figures printed in Weimann and Conrad 2021, Tables 1 to 5: mean and standard deviation of ten runs."""

#: method -> (label of Table 1's row, macro F1, sd), its best configuration
METHODS = ("none", "beat", "rhythm", "heart-rate", "future")
LABELS = {
    "none": "None (random weight initialization)", "beat": "Beat classification", "rhythm": "Rhythm classification",
    "heart-rate": "Heart rate classification", "future": "Future prediction",
}
#: configuration -> macro F1, sd, and the four classes' F1 (normal, AF, other, noisy)
TABLE1: dict[str, tuple[float, float, float, float, float, float]] = {
    "none": (0.731, 0.019, 0.898, 0.711, 0.701, 0.613),
    "beat 512": (0.769, 0.011, 0.911, 0.760, 0.758, 0.647),
    "beat 2048": (0.779, 0.014, 0.915, 0.777, 0.763, 0.661),
    "beat 4096": (0.768, 0.010, 0.908, 0.764, 0.754, 0.646),
    "rhythm 512": (0.742, 0.017, 0.896, 0.721, 0.716, 0.636),
    "rhythm 2048": (0.767, 0.012, 0.908, 0.753, 0.745, 0.660),
    "rhythm 4096": (0.755, 0.005, 0.903, 0.745, 0.735, 0.635),
    "heart-rate 512": (0.766, 0.011, 0.915, 0.759, 0.756, 0.635),
    "heart-rate 2048": (0.753, 0.013, 0.910, 0.743, 0.738, 0.619),
    "heart-rate 4096": (0.751, 0.010, 0.909, 0.744, 0.739, 0.611),
    "future 8 4 2 512": (0.756, 0.008, 0.903, 0.742, 0.730, 0.649),
    "future 16 8 2 512": (0.744, 0.016, 0.905, 0.730, 0.730, 0.612),
    "future 16 8 8 512": (0.758, 0.013, 0.908, 0.753, 0.745, 0.627),
    "future 16 16 8 512": (0.745, 0.013, 0.897, 0.724, 0.722, 0.639),
}
#: the configuration that the paper's other tables use
BEST = {
    "none": "none", "beat": "beat 2048", "rhythm": "rhythm 2048", "heart-rate": "heart-rate 512",
    "future": "future 16 8 8 512",
}
#: share of the records that trains -> macro F1 by method
TABLE2 = {
    0.25: (0.670, 0.739, 0.707, 0.722, 0.694),
    0.50: (0.712, 0.763, 0.727, 0.749, 0.734),
    0.75: (0.731, 0.779, 0.767, 0.766, 0.758),
}
TABLE3 = {
    128: (0.701, 0.779, 0.748, 0.761, 0.747),
    250: (0.731, 0.779, 0.767, 0.766, 0.758),
    300: (0.715, 0.770, 0.747, 0.767, 0.734),
}
TABLE4 = {
    18: (0.731, 0.779, 0.767, 0.766, 0.758),
    34: (0.764, 0.794, 0.775, 0.771, 0.761),
    50: (0.708, 0.775, 0.760, 0.761, 0.743),
}
#: data set -> (macro AUC, Fmax, and for ICBEB F and G of beta 2) by method
TABLE5 = {
    "ptbxl-rhythm": ((0.942, 0.918), (0.962, 0.926), (0.958, 0.922), (0.965, 0.923), (0.955, 0.920)),
    "icbeb2018": (
        (0.954, 0.833, 0.787, 0.553), (0.961, 0.854, 0.814, 0.591), (0.956, 0.848, 0.807, 0.575),
        (0.951, 0.833, 0.790, 0.558), (0.955, 0.844, 0.802, 0.572),
    ),
}
