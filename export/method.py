"""Export an optimization method, so that TensorFlow Serving itself paints a content in the manner of a style.

python export/method.py models/gatys --method gatys --size 256 --steps 100
"""

import argparse
from pathlib import Path

import keras_style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="MODELS/NAME; its parent must exist")
    parser.add_argument("--method", choices=keras_style.methods(), default="gatys")
    parser.add_argument("--size", type=int, default=256, help="long side of the result, in pixels")
    parser.add_argument("--steps", type=int, default=100, help="unless a request says another number")
    given = parser.parse_args()
    stylizer = keras_style.Stylizer(method=given.method, size=given.size, steps=given.steps)
    print(keras_style.export_saved_model(stylizer, given.directory))


if __name__ == "__main__":
    main()
