"""One picture over several scales, each starting from the one before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_style.images import masks, resize
from keras_style.images.masks import Regions
from keras_style.optimize.checkpoint import State
from keras_style.optimize.image_optimizer import History, ImageOptimizer, Minimum
from keras_style.optimize.iterate import Iterate, OnIterate
from keras_style.optimize.schedule import Stage, scaled_alike


@dataclass(frozen=True)
class CoarseToFine:
    """What to paint, from what, and over which scales.

    Attributes:
        optimizer: minimizes at one scale.
        stages: the scales, coarse to fine.
        content: (H, W, 3), at least as large as the last stage where there is that much; None: there is none.
        styles: each (H', W', 3), of the size that fits the last stage.
        blend: weight of each style.
        init: (H, W, 3), where the coarsest scale starts.
        content_regions: `{region: weights (H, W)}` of the content, if the style is to be compared region by region.
        style_regions: the same regions in each style.
        bleed: pixels of margin around the picture at every scale, made by reflection and trimmed in the end.
        edge: without regions, positions along the border of every layer that style terms leave out, on both sides.
    """

    optimizer: ImageOptimizer
    stages: Sequence[Stage]
    content: np.ndarray | None
    styles: Sequence[np.ndarray]
    blend: Sequence[float]
    init: np.ndarray
    content_regions: Regions | None = None
    style_regions: Sequence[Regions] = ()
    bleed: int = 0
    edge: int = 0

    def run(
        self,
        on_iterate: OnIterate,
        state: State | None = None,
        save: Callable[[State], None] = lambda state: None,
        save_every: int = 50,
    ) -> Minimum:
        """Go through the scales, or those that remain after `state`.

        Args:
            on_iterate: called after each step with an `Iterate` of the whole run; returns True to stop.
            state: where an earlier run stood.
            save: called with the state after every `save_every` steps, at the end of each scale and when stopped.
            save_every: steps.
        """
        state = state or State(0, 0, self.init)
        history: History = {name: list(values) for name, values in state.history.items()}
        for index in range(state.stage, len(self.stages)):
            minimum = self._stage(index, state, history, on_iterate, save, save_every)
            for name in ("loss", *self.optimizer.objective.names):  # a term of a later pass counts as 0 until then
                values = minimum.history.get(name, [0.0] * len(minimum.history["loss"]))
                history.setdefault(name, []).extend(values)
            image = self._trim(minimum.image)
            if minimum.stopped:
                return Minimum(image, history, stopped=True)
            so_far = {name: list(values) for name, values in history.items()}  # the run goes on adding to its own
            state = State(index + 1, 0, image, history=so_far)
            save(state)
        return Minimum(state.image, history, stopped=False)

    def _stage(
        self,
        index: int,
        state: State,
        history: History,
        on_iterate: OnIterate,
        save: Callable[[State], None],
        save_every: int,
    ) -> Minimum:
        stage = self.stages[index]
        before = sum(earlier.steps for earlier in self.stages[:index])
        total = sum(each.steps for each in self.stages)
        recorded: History = {}
        names = self.optimizer.objective.names

        def follow(iterate: Iterate) -> bool:
            for name in ("loss", *names):
                value = iterate.loss if name == "loss" else iterate.losses.get(name, 0.0)
                recorded.setdefault(name, []).append(value)
            whole = replace(
                iterate,
                step=before + iterate.step,
                steps=total,
                scale=stage.long_side,
                read_image=lambda: self._trim(iterate.image),
            )
            stopped = on_iterate(whole) is True
            if stopped or iterate.step % save_every == 0:
                so_far = {name: history.get(name, []) + values for name, values in recorded.items()}
                save(State(index, iterate.step, iterate.image, iterate.read_state(), so_far))
            return stopped

        resuming = state.step > 0
        regions = self.content_regions
        return self.optimizer.in_pass(stage.in_pass).minimize(
            state.image if resuming else self._start(index, state.image),
            content=None if self.content is None else self._extend(resize(self.content, stage.height, stage.width)),
            style=[self._style(style, stage) for style in self.styles],
            style_blend=self.blend,
            content_regions=regions and self._resized(regions, stage.height, stage.width, self._extend),
            style_regions=[
                self._resized(each, *self._style_size(style, stage))
                for each, style in zip(self.style_regions, self.styles, strict=True)
            ]
            if regions
            else (),
            edge=self.edge,
            steps=stage.steps,
            on_iterate=follow,
            resume=(state.step, state.optimizer) if resuming else None,
        )

    def _start(self, index: int, image: np.ndarray) -> np.ndarray:
        """The picture of the scale before, enlarged, with the detail of the content that was too fine for that scale.

        Without it, contours that were lost to the coarse scale would have to be found again by the content loss. An
        objective that does not look at the content gets none of it.
        """
        stage = self.stages[index]
        start = resize(image, stage.height, stage.width)
        if index > 0 and self.content is not None and self.optimizer.objective.needs_content:
            before = self.stages[index - 1]
            content = resize(self.content, stage.height, stage.width)
            coarse = resize(resize(self.content, before.height, before.width), stage.height, stage.width)
            start = np.clip(start + (content - coarse), 0, 1)
        return self._extend(start)

    def _style(self, style: np.ndarray, stage: Stage) -> np.ndarray:
        return resize(style, *self._style_size(style, stage))

    def _style_size(self, style: np.ndarray, stage: Stage) -> tuple[int, int]:
        return scaled_alike(style.shape[0], style.shape[1], stage.long_side, self.stages[-1].long_side)

    @staticmethod
    def _resized(
        regions: Regions, height: int, width: int, extend: Callable[[np.ndarray], np.ndarray] = lambda image: image
    ) -> Regions:
        return {region: extend(masks.resize(weights, height, width)) for region, weights in regions.items()}

    def _extend(self, image: np.ndarray) -> np.ndarray:
        margin = [(self.bleed, self.bleed)] * 2 + [(0, 0)] * (image.ndim - 2)
        return np.pad(image, margin, "reflect") if self.bleed else image

    def _trim(self, image: np.ndarray) -> np.ndarray:
        margin = self.bleed
        return image[margin:-margin, margin:-margin] if margin else image
