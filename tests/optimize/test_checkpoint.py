"""A checkpoint comes back bit for bit, or is refused in one line."""

import os

import numpy as np
import pytest

from keras_style.errors import CheckpointError
from keras_style.optimize.checkpoint import FILE, Checkpoint, State

ARGUMENTS = {"method": "gatys", "size": 512, "style_layers": {"block1_conv1": 0.2}, "scales": [128, 512], "init": None}


def state(step: int = 7) -> State:
    random = np.random.default_rng(step)
    slots = [np.array(step, np.int64), random.normal(size=(1, 5, 4, 3)).astype(np.float32)]
    image = random.random((5, 4, 3), np.float32)
    return State(1, step, image, slots, {"loss": [1 / 3, 1e-300, 12345678.9], "style": [0.1]})


def assert_same(got: State | None, wanted: State) -> None:
    assert got is not None
    assert (got.stage, got.step, got.history) == (wanted.stage, wanted.step, wanted.history)
    for mine, other in zip([got.image, *got.optimizer], [wanted.image, *wanted.optimizer], strict=True):
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        assert mine.tobytes() == other.tobytes()


@pytest.fixture
def saved(tmp_path):
    """A directory with a checkpoint."""
    Checkpoint(tmp_path / "run", ARGUMENTS).save(state())
    return tmp_path / "run"


def load(directory, arguments=ARGUMENTS) -> State | None:
    return Checkpoint(directory, arguments).load()


# Saving and loading


def test_state_comes_back_bit_for_bit(saved):
    assert_same(load(saved), state())


def test_state_of_an_optimizer_without_variables_comes_back(tmp_path):
    Checkpoint(tmp_path / "run", {}).save(State(2, 0, state().image))
    assert_same(load(tmp_path / "run", {}), State(2, 0, state().image))


def test_float64_image_stays_float64(tmp_path):
    image = np.random.default_rng(0).random((4, 4, 3))
    Checkpoint(tmp_path / "run", {}).save(State(0, 1, image))
    assert_same(load(tmp_path / "run", {}), State(0, 1, image))


def test_directory_is_made_and_starts_empty(tmp_path):
    assert load(tmp_path / "run") is None
    assert os.listdir(tmp_path) == ["run"]
    assert os.listdir(tmp_path / "run") == []


def test_later_state_replaces_the_earlier(saved):
    Checkpoint(saved, ARGUMENTS).save(state(step=8))
    assert_same(load(saved), state(step=8))
    assert os.listdir(saved) == [FILE]


def test_failed_write_keeps_the_earlier_state(saved, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(CheckpointError, match=r"checkpoint\.npz cannot be written \(No space left on device\)"):
            Checkpoint(saved, ARGUMENTS).save(state(step=8))
    assert_same(load(saved), state())
    assert os.listdir(saved) == [FILE]


def test_interrupted_write_keeps_the_earlier_state(saved, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Checkpoint(saved, ARGUMENTS).save(state(step=8))
    assert_same(load(saved), state())
    assert os.listdir(saved) == [FILE]


# Arguments


def test_arguments_are_compared_as_json(saved):
    assert load(saved, {**ARGUMENTS, "scales": (128, 512)}) is not None


def test_order_of_arguments_does_not_matter(saved):
    assert load(saved, dict(reversed(ARGUMENTS.items()))) is not None


def test_other_arguments_are_named_and_no_others(saved):
    with pytest.raises(CheckpointError) as caught:
        load(saved, {**ARGUMENTS, "size": 256, "style_layers": {"block1_conv1": 0.3}})
    message = str(caught.value)
    assert str(saved) in message
    assert 'size was 512, now 256; style_layers was {"block1_conv1": 0.2}, now {"block1_conv1": 0.3}' in message
    assert "method" not in message
    assert "another directory" in message


@pytest.mark.parametrize("change", [{"tv_weight": 0.5}, {"method": None}])
def test_argument_that_one_side_lacks_is_named(saved, change):
    with pytest.raises(CheckpointError, match=next(iter(change))):
        load(saved, {**ARGUMENTS, **change})


def test_long_arguments_are_cut_short(tmp_path):
    Checkpoint(tmp_path / "run", {"style": ["0" * 500]}).save(state())
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "run", {"style": ["1" * 500]})
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


# Files that are not what they should be


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(saved, share):
    data = (saved / FILE).read_bytes()
    (saved / FILE).write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz cannot be read .*; delete it to start again"):
        load(saved)


def test_file_damaged_anywhere_is_refused_or_unharmed(saved):
    data = (saved / FILE).read_bytes()
    outcomes = set()
    for position in range(0, len(data), 5):
        (saved / FILE).write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            assert_same(load(saved), state())
            outcomes.add("unharmed")
        except CheckpointError:
            outcomes.add("refused")
    assert outcomes == {"unharmed", "refused"}


def other_npz(path):
    np.savez(path, weights=np.ones(3))


def single_array(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def picture_about(about: str):
    return lambda path: np.savez(path, about=np.array(about), image=np.ones((4, 4, 3)))


@pytest.mark.parametrize(
    "write",
    [
        other_npz,
        single_array,
        lambda path: path.write_bytes(b"no checkpoint"),
        picture_about("no JSON"),
        picture_about("[]"),
        picture_about('{"arguments": {}}'),
    ],
    ids=["other npz", "single array", "text", "no JSON", "a list", "incomplete"],
)
def test_file_of_another_kind_is_refused(tmp_path, write):
    checkpoint = Checkpoint(tmp_path / "run", {})
    write(checkpoint.path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz cannot be read as a checkpoint .*; delete it"):
        checkpoint.load()


@pytest.mark.parametrize("about", ["[" * 100_000, '{"arguments": ' + "9" * 5000 + "}"], ids=["deep", "digits"])
def test_hostile_values_are_refused(about, tmp_path):
    test_file_of_another_kind_is_refused(tmp_path, picture_about(about))


def test_an_array_that_the_file_only_claims_is_refused(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run", {})
    np.savez_compressed(checkpoint.path, about=np.array("{}"), image=np.zeros((2000, 2000, 3)))
    with pytest.raises(CheckpointError, match="its members would take 96,"):
        checkpoint.load()


def test_file_in_the_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(CheckpointError, match="run cannot be made a directory"):
        Checkpoint(tmp_path / "run", {})


def test_parents_of_the_directory_are_made(tmp_path):
    Checkpoint(tmp_path / "some" / "run", {}).save(State(0, 0, np.zeros((2, 2, 3), np.float32)))
    assert os.listdir(tmp_path / "some" / "run") == ["checkpoint.npz"]
