"""Quantization: a trained Keras model becomes ``.tflite`` files of several precisions.

Only ``child``, ``qat`` and ``fold`` import TensorFlow; ``deployability`` and ``precision`` are plain data.
"""
