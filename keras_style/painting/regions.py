"""The regions of a picture, and of the images that it is to look like: one for each region, or the same for all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from keras_style import checks
from keras_style.errors import InputError
from keras_style.images import ImageLike, masks, resize
from keras_style.images.masks import Masks, Regions

Styles: TypeAlias = ImageLike | Sequence[ImageLike] | Mapping[str, ImageLike]


@dataclass(frozen=True)
class Given:
    """The images that a picture is to look like, as they were given.

    Attributes:
        images: the images, sorted by region where each is that of a region.
        owners: the region of each; empty: every image is for the whole picture.
        name: how errors call them.
    """

    images: list[ImageLike]
    owners: list[str] = field(default_factory=list)
    name: str = "style"

    @classmethod
    def of(cls, given: Styles, name: str = "style") -> "Given":
        """The images of one, a list, or {region: image}.

        Raises:
            InputError: there is none, or a region has no name.
        """
        if isinstance(given, Mapping):
            for region in given:
                if not isinstance(region, str) or not region.strip():
                    raise InputError(f"{name}: a region is called {checks.shown(region)}; expected a name")
            owners = sorted(given)
            images: list[Any] = [given[region] for region in owners]
        else:
            owners = []
            images = list(given) if isinstance(given, list | tuple) else [given]
        if not images:
            kind = "mapping" if isinstance(given, Mapping) else "list"
            raise InputError(f"{name} is an empty {kind}; expected at least one image")
        return cls(images, owners, name)

    def called(self, index: int) -> str:
        """How errors call an image."""
        if self.owners:
            return f"{self.name} of {self.owners[index]!r}"
        return f"{self.name} {index + 1}" if index else self.name

    def shares(self, name: str, blend: Sequence[float] | None) -> list[float]:
        """The weight of each image, where they are blended; their sum is 1.

        Raises:
            InputError: `blend` is not that, or nothing is blended.
        """
        if self.owners and blend is not None:
            raise InputError(f"{name} with {self.name} by region; expected none, since nothing is blended")
        return checks.shares(name, blend, len(self.images))

    def regions(
        self,
        content_masks: Masks | None,
        style_masks: Masks | Sequence[Masks] | None,
        size: tuple[int, int],
        loaded: Sequence[np.ndarray],
        names: tuple[str, str] = ("content_masks", "style_masks"),
    ) -> tuple[Regions | None, list[Regions]]:
        """The regions of the picture, and those of each image.

        Args:
            content_masks, style_masks: as given; with an image for each region the second are optional, and say which
                part of an image counts.
            size: (height, width) of the picture.
            loaded: the images.
            names: how errors call the two.

        Raises:
            InputError: masks are not what was expected, or the two sides have different regions.
        """
        of_picture, of_images = names
        if content_masks is None and style_masks is None and not self.owners:
            return None, []
        if content_masks is None or (style_masks is None and not self.owners):
            missing = of_picture if content_masks is None else of_images
            if self.owners:
                raise InputError(f"{self.name} by region, without {missing}; expected masks of {_listed(self.owners)}")
            given = of_images if content_masks is None else of_picture
            raise InputError(f"{given} without {missing}; expected both, or none")
        of_content = masks.load(content_masks, *size, of_picture)
        if self.owners:
            masks.match(of_content, dict.fromkeys(self.owners, loaded[0]), of_picture, self.name)
            parts = self._parts(style_masks, of_images)
            sides = [image.shape[:2] for image in loaded]
            return of_content, [
                {region: _part(region, parts.get(region), side, of_images)}
                for region, side in zip(self.owners, sides, strict=True)
            ]
        of_each: list[Any] = [style_masks]
        # A list of mappings can only be one mapping an image.
        listed = isinstance(style_masks, list | tuple) and any(isinstance(each, Mapping) for each in style_masks)
        if len(loaded) > 1 or listed:
            if not isinstance(style_masks, list | tuple) or len(style_masks) != len(loaded):
                raise InputError(f"{of_images} are not a list of {len(loaded)}; expected the masks of each {self.name}")
            of_each = list(style_masks)
        found: list[Regions] = []
        for number, (each, image) in enumerate(zip(of_each, loaded, strict=True), start=1):
            name = of_images if len(loaded) == 1 else f"{of_images} {number}"
            regions = masks.load(each, image.shape[0], image.shape[1], name)
            masks.match(of_content, regions, of_picture, name)
            found.append(regions)
        return of_content, found

    def _parts(self, given: Any, name: str) -> Mapping[str, ImageLike]:
        parts = {} if given is None else given
        if not isinstance(parts, Mapping) or not parts.keys() <= set(self.owners):
            raise InputError(
                f"{name} with {self.name} by region; expected {{region: mask}}, with some of {_listed(self.owners)}"
            )
        return parts

    def composed(self, images: Iterable[np.ndarray], regions: Regions | None) -> np.ndarray:
        """A picture to start from: of each image what it has in its region; the first image where they have none."""
        if not regions or not self.owners:
            return next(iter(images))
        parts = [
            regions[owner][..., None] * resize(image, *regions[owner].shape)
            for owner, image in zip(self.owners, images, strict=True)
        ]
        return np.sum(parts, axis=0, dtype=np.float32).clip(0, 1)


def _part(region: str, mask: ImageLike | None, side: tuple[int, int], name: str) -> np.ndarray:
    return np.ones(side, np.float32) if mask is None else masks.load({region: mask}, *side, name)[region]


def _listed(regions: Sequence[str]) -> str:
    return checks.listed(map(repr, regions))
