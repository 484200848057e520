"""A configuration in the text of protocol buffers that is hostile ends in one short error."""

import pytest
from tensorflow_serving.config import model_server_config_pb2

from keras_style.errors import InputError
from keras_style.server.settings import read_text

NESTED = "custom_model_config { [type.googleapis.com/tensorflow.serving.ModelServerConfig] { "


@pytest.mark.parametrize("text", [NESTED * 3000, "[" * 100_000, "model_config_list { " * 5000], ids=["any", "[", "{"])
def test_a_hostile_text(text, tmp_path):
    (tmp_path / "models.config").write_text(text)
    with pytest.raises(InputError, match="is not the text of a ModelServerConfig") as caught:
        read_text(tmp_path / "models.config", model_server_config_pb2.ModelServerConfig())
    assert len(str(caught.value)) < 600
