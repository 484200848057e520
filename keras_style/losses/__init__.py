"""Losses between feature maps, each a `keras.losses.Loss`."""

from keras_style.losses.content import ContentLoss
from keras_style.losses.feature_loss import FeatureLoss
from keras_style.losses.gram import GramLoss
from keras_style.losses.total_variation import TotalVariationLoss

__all__ = ["ContentLoss", "FeatureLoss", "GramLoss", "TotalVariationLoss"]
