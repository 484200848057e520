"""The words that arguments can be; here, because arguments are checked before TensorFlow is imported."""

OPTIMIZERS = ("adam", "lbfgs")
POOLINGS = ("max", "average")
PRESERVE_COLOR = ("luminance", "match")
INITS = ("content", "style", "noise")
BALANCES = ("gradient",)
