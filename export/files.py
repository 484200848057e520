"""Export a generator as an ONNX and as a LiteRT file; each is run once and compared with Keras.

    pip install 'keras-style[onnx,litert]'
    python export/files.py runs/horses a2b --size 256

makes a2b.onnx, for any size, and a2b.tflite, for one.
"""

import argparse

from keras_style.export import export_litert, export_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a preset, the directory of a run, or a file")
    parser.add_argument("name", help="of the files, without their suffixes")
    parser.add_argument("--direction", choices=("a2b", "b2a"), default="a2b")
    parser.add_argument("--size", type=int, default=256, help="height and width for LiteRT")
    given = parser.parse_args()
    print(export_onnx(given.model, f"{given.name}.onnx", direction=given.direction))
    print(export_litert(given.model, f"{given.name}.tflite", direction=given.direction, size=given.size))


if __name__ == "__main__":
    main()
