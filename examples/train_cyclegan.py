"""Train a CycleGAN in ten lines; `keras-style train configs/cyclegan/satellite_to_relief.yaml` does the same.

    python examples/prepare_satellite_relief.py datasets/satellite_relief
    python examples/train_cyclegan.py datasets/satellite_relief run

Started again, it goes on where it was stopped.
"""

import sys
from pathlib import Path

from keras_style.data.unpaired_batches import unpaired
from keras_style.models import CycleGAN
from keras_style.training import CSVLog, Evaluation, LinearDecay, Resume, Samples


def main(dataset: Path, run: Path, image_size: int = 64, filters: int = 24, epochs: int = 12) -> CycleGAN:
    """Folders trainA, trainB, testA and testB in `dataset`; `run` is made if it does not exist."""
    run.mkdir(exist_ok=True)
    tests = dataset / "testA", dataset / "testB"
    gan = CycleGAN(generator="resnet_6_resize", filters=filters)
    gan.compile()
    gan.fit(
        unpaired(dataset / "trainA", dataset / "trainB", image_size=image_size),
        epochs=epochs,
        callbacks=[
            LinearDecay(start=epochs // 2),
            Evaluation(*tests, run / "best", every=1, image_size=image_size),
            Samples(run / "samples", *tests, image_size=image_size),
            CSVLog(run / "log.csv"),
            Resume(run / "backup"),
        ],
    )
    gan.generator_a2b.save(run / "generator_a2b.keras")
    return gan


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {Path(sys.argv[0]).name} DATASET RUN")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
