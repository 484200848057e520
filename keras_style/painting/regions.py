"""The regions of a picture, and of the images that it is to look like: one for each region, or the same for all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        picture: np.ndarray,
        loaded: Sequence[np.ndarray],
        names: tuple[str, str] = ("content_masks", "style_masks"),
        into: Mapping[str, str] | None = None,
        unmatched: str | None = None,
    ) -> tuple[Regions | None, list[Regions]]:
        """The regions of the picture, and those of each image.

        Args:
            content_masks, style_masks: as given; with an image for each region the second are optional, and say which
                part of an image counts.
            picture: (height, width, 3), what the first masks belong to.
            loaded: the images.
            names: how errors call the two.
            into: regions that count as others.
            unmatched: what takes the place of a region that the images lack; None: that is an error.

        Raises:
            InputError: masks are not what was expected, or the two sides have different regions.
        """
        of_picture, of_images = names
        if content_masks is None or (style_masks is None and not self.owners):
            self._check_none(content_masks, style_masks, names)
            if into or unmatched:
                raise InputError(f"merge_regions or unmatched_regions without {of_picture}; expected masks")
            return None, []
        found: Regions = masks.load(content_masks, picture.shape[0], picture.shape[1], of_picture)
        of_each: list[tuple[str, Regions]] = list(self._of_images(style_masks, loaded, of_images))
        known = {region for regions in (found, *(own for _, own in of_each)) for region in regions}
        if unknown := (into or {}).keys() - known:
            raise InputError(f"merge_regions: there is no region {_listed(unknown)}; expected some of {_listed(known)}")
        of_content = masks.merge(found, into or {})
        merged: list[tuple[str, Regions]] = [(name, masks.merge(own, into or {})) for name, own in of_each]
        if self.owners:
            have = {region: inside for _, own in merged for region, inside in own.items()}
            sides: list[tuple[str, Regions]] = [(self.name, have)]
        else:
            sides = merged
        if unmatched is None:
            for name, own in sides:
                masks.match(of_content, own, of_picture, name)
            return of_content, [own for _, own in merged]
        return of_content, self._completed(of_content, [own for _, own in merged], picture, loaded, unmatched)

    def _check_none(self, content_masks: Any, style_masks: Any, names: tuple[str, str]) -> None:
        """Refuse masks of one side without those of the other."""
        of_picture, of_images = names
        if self.owners:
            raise InputError(f"{self.name} by region, without {of_picture}; expected masks of {_listed(self.owners)}")
        if content_masks is not None or style_masks is not None:
            given, missing = names if style_masks is None else (of_images, of_picture)
            raise InputError(f"{given} without {missing}; expected both, or none")

    def _of_images(self, given: Any, loaded: Sequence[np.ndarray], name: str) -> Iterator[tuple[str, Regions]]:
        """The regions of each image, as its masks say, and how errors call these."""
        if self.owners:
            parts = {} if given is None else given
            if not isinstance(parts, Mapping) or not parts.keys() <= set(self.owners):
                owners = _listed(self.owners)
                raise InputError(f"{name} with {self.name} by region; expected {{region: mask}}, with some of {owners}")
            for region, image in zip(self.owners, loaded, strict=True):
                height, width, _ = image.shape
                whole = {region: np.ones((height, width), np.float32)}
                found = masks.load({region: parts[region]}, height, width, name) if region in parts else whole
                yield name, {region: found[region]}
            return
        of_each: list[Any] = [given]
        # A list of mappings can only be one mapping an image.
        listed = isinstance(given, list | tuple) and any(isinstance(each, Mapping) for each in given)
        if len(loaded) > 1 or listed:
            if not isinstance(given, list | tuple) or len(given) != len(loaded):
                raise InputError(f"{name} are not a list of {len(loaded)}; expected the masks of each {self.name}")
            of_each = list(given)
        for number, (each, image) in enumerate(zip(of_each, loaded, strict=True), start=1):
            label = name if len(loaded) == 1 else f"{name} {number}"
            yield label, masks.load(each, image.shape[0], image.shape[1], label)

    def _completed(
        self,
        of_picture: Regions,
        of_images: Sequence[Regions],
        picture: np.ndarray,
        loaded: Sequence[np.ndarray],
        unmatched: str,
    ) -> list[Regions]:
        """The regions of the images with those that only the picture has: like the nearest one, or the whole image."""
        completed = [dict(found) for found in of_images]
        # Where each image has a region of its own, one of them is to stand in; otherwise one region of each.
        groups = [range(len(loaded))] if self.owners else [range(index, index + 1) for index in range(len(loaded))]
        for group in groups:
            have = [(number, region) for number in group for region in of_images[number]]
            for region in of_picture.keys() - {region for _, region in have}:
                if unmatched == "whole":
                    for number in group:
                        completed[number][region] = np.ones(loaded[number].shape[:2], np.float32)
                    continue
                color = masks.mean_color(picture, of_picture[region])
                distances = [
                    np.linalg.norm(masks.mean_color(loaded[number], of_images[number][each]) - color)
                    for number, each in have
                ]
                number, nearest = have[int(np.argmin(distances))]
                completed[number][region] = of_images[number][nearest]
        return [{region: found[region] for region in sorted(found)} for found in completed]

    def composed(self, images: Iterable[np.ndarray], regions: Regions | None) -> np.ndarray:
        """A picture to start from: of each image what it has in its region; the first image where they have none."""
        if not regions or not self.owners:
            return next(iter(images))
        parts = [
            regions[owner][..., None] * resize(image, *regions[owner].shape)
            for owner, image in zip(self.owners, images, strict=True)
        ]
        return np.sum(parts, axis=0, dtype=np.float32).clip(0, 1)


def _listed(regions: Iterable[str]) -> str:
    return checks.listed(map(repr, sorted(regions)))
