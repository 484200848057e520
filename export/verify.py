"""Compare an exported generator with what it was made from, on pictures, in a process without Keras.

python export/verify.py models/a2b/1 runs/horses examples/content/*.jpg
"""

import argparse

from keras_style.export import verify


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", help="directory of a version")
    parser.add_argument("model", help="a preset, the directory of a run, or a file")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--direction", choices=("a2b", "b2a"), default="a2b")
    given = parser.parse_args()
    print(verify(given.version, given.model, given.pictures, direction=given.direction))


if __name__ == "__main__":
    main()
