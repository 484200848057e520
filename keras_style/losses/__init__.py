"""Losses between feature maps, each a `keras.losses.Loss`; and what they measure and match, as functions."""

from keras_style.losses.content import ContentLoss
from keras_style.losses.feature_loss import FeatureLoss
from keras_style.losses.gaussian import GaussianKLLoss, GaussianRenyiLoss
from keras_style.losses.gram import GramLoss
from keras_style.losses.histogram import HistogramLoss, match_histograms
from keras_style.losses.jensen_shannon import JensenShannonLoss
from keras_style.losses.matting_laplacian import MattingLaplacianLoss, affine_residual
from keras_style.losses.mmd import MMDLoss
from keras_style.losses.moments import MomentsLoss
from keras_style.losses.sliced_wasserstein import SlicedWassersteinLoss
from keras_style.losses.total_variation import TotalVariationLoss
from keras_style.losses.total_variation_distance import TotalVariationDistanceLoss

__all__ = [
    "ContentLoss",
    "FeatureLoss",
    "GaussianKLLoss",
    "GaussianRenyiLoss",
    "GramLoss",
    "HistogramLoss",
    "JensenShannonLoss",
    "MMDLoss",
    "MattingLaplacianLoss",
    "MomentsLoss",
    "SlicedWassersteinLoss",
    "TotalVariationDistanceLoss",
    "TotalVariationLoss",
    "affine_residual",
    "match_histograms",
]
