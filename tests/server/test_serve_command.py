"""`keras-style serve` in this process: its help, and mistakes that end it."""

import pytest
from running import command


def test_the_help_says_it_too(capsys):
    status, out, _ = command(capsys, "serve", "--help")
    assert status == 0 and "tensorflow_model_server" in out
    for name in ("--config", "--host", "--port", "--rest-port", "--ssl-config", "--health", "--max-waiting", "--quiet"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one of the two"),
        (["missing"], "models: no such directory: missing"),
        ([".", "--max-running", "0"], "max_running is 0; expected a whole number from 1 to 1000"),
        ([".", "--ssl-config", "missing"], "ssl_config: no such file: missing"),
    ],
)
def test_bad_arguments_are_one_line(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = command(capsys, "serve", *arguments)
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1


def test_a_model_that_does_not_load_ends_the_command(capsys, tmp_path):
    (tmp_path / "bad" / "1").mkdir(parents=True)
    status, out, err = command(capsys, "serve", tmp_path, "--port", 0, "--load-retries", 0, "--quiet")
    logged, said = err.splitlines()
    assert (status, out) == (2, "") and "bad version 1 cannot be loaded: NOT_FOUND: " in logged
    assert said.startswith("keras-style: the server does not start: 1 model(s) did not become available: ")
