"""The words that arguments can be; here, because arguments are checked before TensorFlow is imported."""

OPTIMIZERS = ("adam", "lbfgs")
POOLINGS = ("max", "average")
PRECISIONS = ("float32", "mixed_bfloat16")
PRESERVE_COLOR = ("luminance", "match")
INITS = ("content", "recolored", "style", "noise")
BALANCES = ("gradient",)
DIRECTIONS = ("a2b", "b2a")
PICTURES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
)  # suffixes of files that are looked for in folders
