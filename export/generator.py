"""Export both generators of a preset, or of a training run, for TensorFlow Serving.

    python export/generator.py runs/horses models

makes models/a2b/1 and models/b2a/1, each compared with Keras in a process that has neither Keras nor keras_style.
"""

import argparse
from pathlib import Path

import keras_style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a preset, its directory, or the directory of a run")
    parser.add_argument("models", type=Path, help="the directory that a server reads; it must exist")
    parser.add_argument("--pictures", nargs="*", default=(), help="to compare on")
    given = parser.parse_args()
    for direction in ("a2b", "b2a"):
        print(
            keras_style.export_saved_model(
                given.model, given.models / direction, direction=direction, verify=True, pictures=given.pictures
            )
        )


if __name__ == "__main__":
    main()
