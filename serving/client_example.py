"""A program that uses a served model: one picture in twenty goes to the version on trial.

    python serving/client_example.py photo.jpg painted.png --server localhost:8500 --model satellite_to_relief

It takes a version by its label, so that whoever operates the server decides which one that is; and it goes on with the
stable one where nothing is on trial.
"""

import argparse
import random
import sys

from keras_style.errors import RefusedError, StyleError
from keras_style.serving import StyleClient, StyledPicture


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description="Send a picture to a served model.")
    parser.add_argument("photo")
    parser.add_argument("output")
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--model", default="satellite_to_relief")
    parser.add_argument("--canary", type=float, default=0.05, help="share of the requests that try the new version")
    given = parser.parse_args()
    stable = StyleClient(given.server, given.model, label="stable")
    canary = StyleClient(given.server, given.model, label="canary", retries=0)
    try:
        with stable, canary:
            answer = stylize(given.photo, stable, canary, given.canary)
            answer.save(given.output)
    except StyleError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{given.output}: version {answer.version}")
    return 0


def stylize(photo: str, stable: StyleClient, canary: StyleClient, share: float) -> StyledPicture:
    """The picture, by the version on trial in `share` of the cases."""
    if random.random() < share:
        try:
            return canary.stylize(photo)
        except RefusedError:  # no version has the label, or it cannot take this picture
            pass
    return stable.stylize(photo)


if __name__ == "__main__":
    sys.exit(main())
