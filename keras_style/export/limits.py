"""What an exported model takes, at most."""

from dataclasses import dataclass

# Memory of a generator goes with its pixels: 1.1 KB each at 64 filters, from 256 to 768 pixels a side.
MAX_PIXELS = 2048 * 2048
MAX_BYTES = 32 * 2**20
MAX_STEPS = 1000
# Decoding time of a progressive JPEG goes with its scans, which cost a few bytes each; encoders write some ten.
MAX_JPEG_SCANS = 100


@dataclass(frozen=True)
class Limits:
    """Of a request; whatever is larger is refused before it is decoded.

    Args:
        max_pixels: height times width of an encoded image, or of all images of a tensor together.
        max_bytes: of an encoded image.
        max_steps: of an optimization; one that is exported with more takes its own number.
    """

    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    max_steps: int = MAX_STEPS
