"""Quantization: a trained Keras model becomes ``.tflite`` files of several precisions.

Only ``child``, ``qat``, ``fold`` and ``fake`` import TensorFlow; ``deployability`` and ``precision`` are plain data.
"""
