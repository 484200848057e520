"""The schedule of scales: sizes, steps and what it refuses."""

import itertools

import pytest

from keras_style import checks
from keras_style.errors import InputError
from keras_style.images import MIN_SIDE
from keras_style.optimize.schedule import COARSEST, Stage, schedule


def sizes(stages) -> list[tuple[int, int]]:
    return [(stage.height, stage.width) for stage in stages]


def steps(stages) -> list[int]:
    return [stage.steps for stage in stages]


def test_by_default_scales_double_from_the_coarsest():
    assert sizes(schedule(384, 512, None, 120)) == [(96, 128), (192, 256), (384, 512)]


@pytest.mark.parametrize(
    ("size", "long_sides"),
    [
        (100, [100]),
        (128, [128]),
        (180, [180]),
        (200, [100, 200]),
        (256, [128, 256]),
        (1000, [125, 250, 500, 1000]),
        (1024, [128, 256, 512, 1024]),
    ],
)
def test_by_default_the_coarsest_scale_is_the_power_of_two_nearest_to_128(size, long_sides):
    assert [stage.long_side for stage in schedule(size, size, None, 100)] == long_sides


def test_default_gives_up_scales_that_a_narrow_picture_has_no_room_for():
    assert sizes(schedule(40, 512, None, 100)) == [(20, 256), (40, 512)]


def test_default_gives_up_scales_that_there_are_no_steps_for():
    assert steps(schedule(512, 512, None, 2)) == [1, 1]


def test_number_of_scales_halves_the_picture():
    assert sizes(schedule(300, 201, 3, 30)) == [(75, 50), (150, 100), (300, 201)]


def test_one_scale_is_the_picture():
    assert schedule(300, 200, 1, 30) == (Stage(300, 200, 30),)


def test_long_sides_can_be_given():
    assert sizes(schedule(200, 400, [100, 250, 400], 30)) == [(50, 100), (125, 250), (200, 400)]


def test_last_scale_is_the_picture_to_the_pixel():
    assert sizes(schedule(333, 500, (100, 500), 30))[-1] == (333, 500)


@pytest.mark.parametrize(("total", "expected"), [(9, [3, 3, 3]), (10, [4, 3, 3]), (11, [4, 4, 3]), (3, [1, 1, 1])])
def test_steps_are_shared_and_the_rest_goes_to_the_coarsest(total, expected):
    assert steps(schedule(512, 512, 3, total)) == expected


def test_long_side_of_a_stage_is_in_pixels():
    assert Stage(30, 50, 1).long_side == Stage(50, 30, 1).long_side == 50


def test_any_default_schedule_grows_to_the_picture_within_its_limits():
    for height, width, total in itertools.product((16, 17, 100, 181, 512, 777), (16, 40, 182, 1000), (1, 2, 7, 100)):
        stages = schedule(height, width, None, total)
        assert sizes(stages)[-1] == (height, width)
        assert sum(steps(stages)) == total and min(steps(stages)) >= 1
        assert min(min(size) for size in sizes(stages)) >= MIN_SIDE
        long_sides = [stage.long_side for stage in stages]
        assert long_sides == sorted(set(long_sides))
        assert len(stages) == 1 or long_sides[0] >= 0.7 * COARSEST


@pytest.mark.parametrize("scales", [0, -1])
def test_number_of_scales_below_one_is_refused(scales):
    with pytest.raises(InputError, match=f"scales is {scales}; expected"):
        schedule(512, 512, scales, 100)


@pytest.mark.parametrize("scales", [[], [128, 256], [256, 128, 512], [128, 128, 512], [128, 512, 1024]])
def test_long_sides_that_do_not_lead_to_the_picture_are_refused(scales):
    with pytest.raises(InputError) as caught:
        schedule(400, 512, scales, 100)
    assert str(caught.value) == f"scales are {scales}; expected increasing long sides, the last one 512"


@pytest.mark.parametrize("scales", ["2", 2.0, True, [128.0, 512.0], [None, 512], {"128": 512}])
def test_scales_that_are_no_whole_numbers_are_refused(scales):
    with pytest.raises(InputError, match=r"scales.*expected a whole number"):
        checks.scales("scales", scales)


def test_scale_that_is_too_small_is_named_with_a_way_out():
    with pytest.raises(InputError) as caught:
        schedule(100, 400, 4, 100)
    assert "the coarsest scale is 50 x 12 pixels; expected sides of at least 16" in str(caught.value)
    assert "a larger size or fewer scales" in str(caught.value)


def test_more_scales_than_steps_are_refused():
    with pytest.raises(InputError, match="2 steps for 3 scales; expected at least one for each"):
        schedule(512, 512, 3, 2)


# Passes


def test_later_passes_are_at_the_size_of_the_picture():
    stages = schedule(384, 512, None, 120, passes=3)
    assert sizes(stages) == [(96, 128), (192, 256), (384, 512), (384, 512), (384, 512)]
    assert [stage.in_pass for stage in stages] == [1, 1, 1, 2, 3]
    assert steps(stages) == [24] * 5


@pytest.mark.parametrize(("total", "expected"), [(4, [2, 2]), (5, [3, 2]), (2, [1, 1])])
def test_steps_are_shared_with_later_passes(total, expected):
    stages = schedule(100, 100, 1, total, passes=2)
    assert steps(stages) == expected
    assert [stage.in_pass for stage in stages] == [1, 2]


def test_one_pass_is_the_default():
    assert schedule(300, 200, 2, 30) == schedule(300, 200, 2, 30, passes=1)
    assert {stage.in_pass for stage in schedule(512, 512, None, 100)} == {1}


@pytest.mark.parametrize(("total", "expected"), [(2, [512, 512]), (3, [256, 512, 512]), (4, [128, 256, 512, 512])])
def test_default_gives_up_scales_before_passes(total, expected):
    assert [stage.long_side for stage in schedule(512, 512, None, total, passes=2)] == expected


def test_more_passes_than_steps_are_refused():
    with pytest.raises(InputError, match="3 steps for 3 scales and 1 more passes; expected at least one for each"):
        schedule(512, 512, 3, 3, passes=2)
    with pytest.raises(InputError, match="1 steps for 1 scales and 1 more passes; expected at least one for each"):
        schedule(512, 512, None, 1, passes=2)


def test_by_default_scales_leave_out_those_where_an_image_beside_is_too_small():
    assert len(schedule(256, 256, None, 10)) == 2
    assert len(schedule(256, 256, None, 10, beside={"style": (32, 256)})) == 2
    assert len(schedule(256, 256, None, 10, beside={"style": (24, 256)})) == 1


def test_image_beside_that_is_too_small_at_a_scale_asked_for_is_named():
    with pytest.raises(
        InputError, match=r"style 2: at the coarsest scale it is 128 x 12 pixels; expected .* at least 16"
    ):
        schedule(256, 256, 2, 10, beside={"style": (256, 256), "style 2": (24, 256)})
