"""Training: callbacks, measurements, and the training command."""

from typing import TYPE_CHECKING

from keras_style.internal import lazy_names

if TYPE_CHECKING:
    from keras_style.training.csv_log import CSVLog
    from keras_style.training.distribution_metrics import fid, kid
    from keras_style.training.evaluation import Evaluation
    from keras_style.training.learning_rates import CosineDecay, LinearDecay, PlateauDecay, StepDecay
    from keras_style.training.painter_evaluation import PainterEvaluation
    from keras_style.training.painter_samples import PainterSamples
    from keras_style.training.resume import Resume
    from keras_style.training.run import TrainingResult, train
    from keras_style.training.samples import Samples
    from keras_style.training.snapshots import Snapshots
    from keras_style.training.tensorboard_log import TensorBoardLog

__all__ = [
    "CSVLog",
    "CosineDecay",
    "Evaluation",
    "LinearDecay",
    "PainterEvaluation",
    "PainterSamples",
    "PlateauDecay",
    "Resume",
    "Samples",
    "Snapshots",
    "StepDecay",
    "TensorBoardLog",
    "TrainingResult",
    "fid",
    "kid",
    "train",
]

__getattr__, __dir__ = lazy_names.attributes(
    __name__,
    {
        "CSVLog": "keras_style.training.csv_log",
        "CosineDecay": "keras_style.training.learning_rates",
        "Evaluation": "keras_style.training.evaluation",
        "LinearDecay": "keras_style.training.learning_rates",
        "PainterEvaluation": "keras_style.training.painter_evaluation",
        "PainterSamples": "keras_style.training.painter_samples",
        "PlateauDecay": "keras_style.training.learning_rates",
        "Resume": "keras_style.training.resume",
        "Samples": "keras_style.training.samples",
        "Snapshots": "keras_style.training.snapshots",
        "StepDecay": "keras_style.training.learning_rates",
        "TensorBoardLog": "keras_style.training.tensorboard_log",
        "TrainingResult": "keras_style.training.run",
        "fid": "keras_style.training.distribution_metrics",
        "kid": "keras_style.training.distribution_metrics",
        "train": "keras_style.training.run",
    },
)
