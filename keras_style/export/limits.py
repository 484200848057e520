"""Limits of what an exported model takes."""

from dataclasses import dataclass

# A generator's memory grows with the pixels: 1.1 KB per pixel at 64 filters, from 256 to 768 pixels per side.
MAX_PIXELS = 2048 * 2048
MAX_BYTES = 32 * 2**20
MAX_STEPS = 1000
# The time to decode a progressive JPEG grows with its scans, which take a few bytes each; encoders write about ten.
MAX_JPEG_SCANS = 100
MAX_JPEG_SEGMENTS = 1000  # of up to 64 KB; a photograph has some twenty, with a large profile a few hundred
# What a file counts at least, in pixels: opening it and starting the network takes time, however small it is.
LEAST_PIXELS = 32 * 32


@dataclass(frozen=True)
class Limits:
    """Limits of a request; a larger one is refused before it is decoded.

    Args:
        max_pixels: pixels that are computed: of all images of a request together, each at the size that it is extended
            to, or painted at by a method; one picture of a method is always taken. Where the size is fixed, an encoded
            image may have as many before it is resized.
        max_bytes: length of an encoded image in bytes; where the size is not fixed, of all of a request together.
        max_steps: steps of an optimization; a method that is exported with more steps takes its own number.
    """

    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    max_steps: int = MAX_STEPS
