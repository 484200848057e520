"""What the embedded server is made of. Messages, codes and the order of checks are those of TensorFlow Serving.

Reference: tensorflow/serving 9d981c5c (2026-07-30); the function that a module follows is named in it.
"""
