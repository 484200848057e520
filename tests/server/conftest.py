"""A server with two versions of one model, shared by the tests of what a server answers."""

import pytest
import served
from served import AVAILABLE, Client, wait_for

from keras_style.server import Server


@pytest.fixture(scope="session")
def server(saved, tmp_path_factory):
    """Versions 3 and 7 of `many`; `stable` is 3, and `ahead` a version that is not there."""
    base = tmp_path_factory.mktemp("models")
    served.publish(saved / "all", base / "many" / "00000003")
    served.publish(saved / "all", base / "many" / "7")
    (base / "many" / "notes").mkdir()
    file = base / "models.config"
    file.write_text(
        f"""model_config_list {{ config {{
            name: "many" base_path: "{base}/many" model_platform: "tensorflow"
            model_version_policy {{ all {{}} }}
            version_labels {{ key: "stable" value: 3 }} version_labels {{ key: "ahead" value: 99 }}
        }} }}"""
    )
    options = {"labels_ahead": True, "max_running": 2, "max_waiting": 2, "max_message_mebibytes": 8}
    with Server(config=file, port=0, rest_port=0, **options) as server:
        yield server


@pytest.fixture(scope="session")
def client(server):
    with Client(server.address) as client:
        wait_for(lambda: client.states("many") == {7: AVAILABLE, 3: AVAILABLE})  # the port opens when one is there
        yield client
