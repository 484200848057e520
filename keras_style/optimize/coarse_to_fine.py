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
from keras_style.optimize.targets import Targets


@dataclass(frozen=True)
class CoarseToFine:
    """An optimization over scales: its targets, its stages and where it starts.

    Attributes:
        optimizer: minimizes at one scale.
        stages: the scales, coarse to fine.
        targets: content (1, H, W, 3), if there is any, at least as large as the last stage where there is that much;
            styles of the size that fits the last stage.
        init: (H, W, 3), where the coarsest scale starts.
        bleed: pixels of margin around the picture at every scale, made by reflection and trimmed in the end.
    """

    optimizer: ImageOptimizer
    stages: Sequence[Stage]
    targets: Targets
    init: np.ndarray
    bleed: int = 0

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
                read_image=lambda: np.clip(self._trim(iterate.image), 0, 1),
            )
            stopped = on_iterate(whole) is True
            if stopped or iterate.step % save_every == 0:
                so_far = {name: history.get(name, []) + values for name, values in recorded.items()}
                save(State(index, iterate.step, iterate.image, iterate.read_state(), so_far))
            return stopped

        resuming = state.step > 0
        return self.optimizer.in_pass(stage.in_pass).approach(
            state.image if resuming else self._start(index, state.image),
            self._targets(stage),
            stage.steps,
            follow,
            (state.step, state.optimizer) if resuming else None,
        )

    def _targets(self, stage: Stage) -> Targets:
        """The targets at the size of a stage, those of the image with the margin."""
        targets, content = self.targets, self._content(stage)
        sizes = [
            scaled_alike(image.shape[1], image.shape[2], stage.long_side, self.stages[-1].long_side)
            for image in targets.style
        ]
        style = [resize(image[0], *size)[None] for image, size in zip(targets.style, sizes, strict=True)]
        sized = replace(targets, content=None if content is None else self._extend(content)[None], style=style)
        if targets.content_regions is None:
            return sized
        inside = _resized(targets.content_regions, stage.height, stage.width)
        return replace(
            sized,
            content_regions={region: self._extend(weights) for region, weights in inside.items()},
            style_regions=[_resized(each, *size) for each, size in zip(targets.style_regions, sizes, strict=True)],
        )

    def _content(self, stage: Stage) -> np.ndarray | None:
        content = self.targets.content
        return None if content is None else resize(content[0], stage.height, stage.width)

    def _start(self, index: int, image: np.ndarray) -> np.ndarray:
        """The picture of the scale before, enlarged, with the detail of the content that was too fine for that scale.

        Without it, contours that were lost to the coarse scale would have to be found again by the content loss. An
        objective that does not look at the content gets none of it.
        """
        stage = self.stages[index]
        start = resize(image, stage.height, stage.width)
        content = self._content(stage)
        if index > 0 and content is not None and self.optimizer.objective.needs_content:
            before = self._content(self.stages[index - 1])
            assert before is not None
            start = np.clip(start + (content - resize(before, stage.height, stage.width)), 0, 1)
        return self._extend(start)

    def _extend(self, image: np.ndarray) -> np.ndarray:
        margin = [(self.bleed, self.bleed)] * 2 + [(0, 0)] * (image.ndim - 2)
        return np.pad(image, margin, "reflect") if self.bleed else image

    def _trim(self, image: np.ndarray) -> np.ndarray:
        margin = self.bleed
        return image[margin:-margin, margin:-margin] if margin else image


def _resized(regions: Regions, height: int, width: int) -> Regions:
    return {region: masks.resize(weights, height, width) for region, weights in regions.items()}
