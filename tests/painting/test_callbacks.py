"""What callbacks see of a run and how they stop it, and what is printed meanwhile."""

import re

import numpy as np
import pytest
from running import FAST, eagerly

from keras_style import transfer

PAINT = {**FAST, "optimizer": "adam"}
TWO_SCALES = {**FAST, "steps": 4, "scales": [24, 48]}


# Callbacks


@eagerly()
def test_callbacks_follow_the_run_over_all_scales(photograph, painting):
    seen, also_seen = [], []

    def follow(iterate):
        seen.append((iterate.step, iterate.steps, iterate.scale, iterate.image.shape, iterate.losses, iterate.loss))

    options = {**TWO_SCALES, "steps": 5, "optimizer": "adam"}
    painted = transfer(
        photograph, painting, callbacks=[follow, lambda iterate: also_seen.append(iterate.image)], **options
    )
    small, large = (20, 24, 3), (40, 48, 3)
    assert [each[:4] for each in seen] == [
        (1, 5, 24, small),
        (2, 5, 24, small),
        (3, 5, 24, small),
        (4, 5, 48, large),
        (5, 5, 48, large),
    ]
    for name in ("content", "style", "total_variation"):
        assert [losses[name] for *_, losses, _ in seen] == painted.history[name]
    assert [loss for *_, loss in seen] == painted.history["loss"]
    assert len(also_seen) == 5 and np.array_equal(also_seen[-1], painted.array)
    assert not painted.stopped


@eagerly()
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_callback_that_returns_true_stops(photograph, painting, optimizer):
    called = []
    callbacks = [lambda iterate: iterate.step == 3, lambda iterate: called.append(iterate.image)]
    painted = transfer(photograph, painting, callbacks=callbacks, **{**TWO_SCALES, "steps": 8, "optimizer": optimizer})
    assert painted.stopped and painted.steps == 3 and len(called) == 3
    assert painted.array.shape == (20, 24, 3)  # of the scale it was at
    assert np.array_equal(painted.array, called[-1])


@eagerly()
def test_only_true_stops(photograph, painting):
    painted = transfer(photograph, painting, callbacks=[lambda iterate: 1, lambda iterate: "yes"], **PAINT)
    assert painted.steps == FAST["steps"] and not painted.stopped


@eagerly()
def test_callbacks_see_the_colors_of_the_result(photograph, painting):
    seen = []
    options = {**TWO_SCALES, "preserve_color": "luminance", "optimizer": "adam"}
    painted = transfer(photograph, painting, callbacks=[lambda iterate: seen.append(iterate.image)], **options)
    assert np.array_equal(seen[-1], painted.array)
    assert np.ptp(seen[0], axis=-1).max() > 0.1  # color, at the coarse scale too


# What is printed


@eagerly()
@pytest.mark.parametrize("verbose", [0, "auto"])
def test_quiet_where_no_bar_can_be_shown(photograph, painting, verbose, capfd):
    transfer(photograph, painting, **{**TWO_SCALES, "optimizer": "adam", "verbose": verbose})
    assert capfd.readouterr() == ("", "")


@eagerly()
def test_verbose_prints_a_line_for_each_scale(photograph, painting, capfd):
    painted = transfer(photograph, painting, **{**TWO_SCALES, "optimizer": "adam", "verbose": 1})
    out, err = capfd.readouterr()
    memory, coarse, fine = err.splitlines()
    assert (
        out == ""
        and "of memory" in memory
        and coarse.startswith("24 px, step 2/4: ")
        and fine.startswith("48 px, step 4/4: ")
    )
    for name in ("content", "style", "total_variation"):
        printed = float(re.search(rf"{name} (\S+)", fine)[1])
        assert printed == pytest.approx(painted.history[name][-1], rel=0.05)
