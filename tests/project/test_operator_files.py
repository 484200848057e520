"""serving/: what protocol buffers and YAML can say about the operator's files, without TensorFlow Serving.

The messages that the wheel of tensorflow-serving-api lacks are described here from the .proto files of
tensorflow/serving at 9d981c5c2708d23c5407c7c1e30309e6f9798874: servables/tensorflow/session_bundle_config.proto,
config/monitoring_config.proto and config/ssl_config.proto; the flags are those of model_servers/main.cc there.
"""

import asyncio
import json
import os
import re
import runpy
import stat
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import numpy as np
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from running import fresh_environment
from scripted_server import ScriptedServer, later

import keras_style
from keras_style.errors import InputError, MissingFileError
from keras_style.serving import AsyncStyleClient, models_config

from tensorflow_serving.config import model_server_config_pb2  # isort: skip

ROOT = Path(__file__).parents[2]
SERVING = ROOT / "serving"
MODELS = runpy.run_path(str(ROOT / "export" / "models.py"))
CONFIG = SERVING / "config"
MANIFESTS = SERVING / "kubernetes"
COMPOSE = [SERVING / f"docker-compose{kind}.yml" for kind in ("", ".batching", ".tls")]

# Of those that serving/ uses.
FLAGS = {
    "model_config_file": str,
    "model_config_file_poll_wait_seconds": int,
    "allow_version_labels_for_unavailable_models": bool,
    "monitoring_config_file": str,
    "tensorflow_intra_op_parallelism": int,
    "tensorflow_inter_op_parallelism": int,
    "rest_api_timeout_in_ms": int,
    "enable_serialization_as_tensor_content": bool,
    "enable_batching": bool,
    "enable_per_model_batching_parameters": bool,
    "ssl_config_file": str,
    "grpc_channel_arguments": str,
    "enable_profiler": str,
}

PROTO = """
name: "tensorflow_serving_config.proto" package: "tensorflow.serving" syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type { name: "BatchingParameters"
  field { name: "max_batch_size" number: 1 type: TYPE_MESSAGE type_name: ".google.protobuf.Int64Value" }
  field { name: "batch_timeout_micros" number: 2 type: TYPE_MESSAGE type_name: ".google.protobuf.Int64Value" }
  field { name: "max_enqueued_batches" number: 3 type: TYPE_MESSAGE type_name: ".google.protobuf.Int64Value" }
  field { name: "num_batch_threads" number: 4 type: TYPE_MESSAGE type_name: ".google.protobuf.Int64Value" }
  field { name: "thread_pool_name" number: 5 type: TYPE_MESSAGE type_name: ".google.protobuf.StringValue" }
  field { name: "enable_large_batch_splitting" number: 8 type: TYPE_MESSAGE type_name: ".google.protobuf.BoolValue" }
  field { name: "max_execution_batch_size" number: 9 type: TYPE_MESSAGE type_name: ".google.protobuf.Int64Value" }
  field { name: "allowed_batch_sizes" number: 6 type: TYPE_INT64 label: LABEL_REPEATED }
  field { name: "pad_variable_length_inputs" number: 7 type: TYPE_BOOL }
}
message_type { name: "PrometheusConfig"
  field { name: "enable" number: 1 type: TYPE_BOOL }
  field { name: "path" number: 2 type: TYPE_STRING }
}
message_type { name: "MonitoringConfig"
  field { name: "prometheus_config" number: 1 type: TYPE_MESSAGE type_name: ".tensorflow.serving.PrometheusConfig" }
}
message_type { name: "SSLConfig"
  field { name: "server_key" number: 1 type: TYPE_STRING }
  field { name: "server_cert" number: 2 type: TYPE_STRING }
  field { name: "custom_ca" number: 3 type: TYPE_STRING }
  field { name: "client_verify" number: 4 type: TYPE_BOOL }
}
"""


@pytest.fixture(scope="module")
def messages():
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(text_format.Parse(PROTO, descriptor_pb2.FileDescriptorProto()))
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{name}"))()


class Loader(yaml.SafeLoader):
    """YAML with the tag of Docker Compose for "instead of what the other file says"."""


Loader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def load(path):
    return yaml.load(path.read_text(), Loader)


def model_config(text):
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def flags(arguments):
    """{name: value}, each known and of its type; a variable of Compose counts as its default."""
    found = {}
    for argument in arguments:
        name, _, value = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", argument).removeprefix("--").partition("=")
        assert argument.startswith("--")
        assert name not in found
        assert bool(value) != (FLAGS[name] is bool)
        found[name] = FLAGS[name](value) if value else True
    return found


# Text that protocol buffers read


def test_models_config_names_what_make_models_makes():
    found = model_config((CONFIG / "models.config").read_text()).model_config_list.config
    assert [model.name for model in found] == sorted(MODELS["zoo"]())
    for model in found:
        assert (model.base_path, model.model_platform) == (f"/models/{model.name}", "tensorflow")
        assert model.model_version_policy.latest.num_versions == 2


def test_monitoring_config(messages):
    config = text_format.Parse((CONFIG / "monitoring.config").read_text(), messages("MonitoringConfig"))
    assert config.prometheus_config.enable
    assert config.prometheus_config.path == load(CONFIG / "prometheus.yml")["scrape_configs"][0]["metrics_path"]


def test_batching_config(messages):
    """`allowed_batch_sizes` ascend and end with `max_batch_size`, or the server refuses the file."""
    config = text_format.Parse((CONFIG / "batching.config").read_text(), messages("BatchingParameters"))
    sizes = list(config.allowed_batch_sizes)
    assert sizes == sorted({*sizes})
    assert sizes[-1] == config.max_batch_size.value
    assert min(config.batch_timeout_micros.value, config.max_enqueued_batches.value, config.num_batch_threads.value) > 0
    assert not config.pad_variable_length_inputs  # it would pad pictures, which changes their statistics


def test_ssl_template(messages):
    config = text_format.Parse((CONFIG / "ssl.config.template").read_text(), messages("SSLConfig"))
    assert config.client_verify
    assert all("-----BEGIN" in each for each in (config.server_key, config.server_cert, config.custom_ca))


@pytest.mark.parametrize("mutual", [False, True])
def test_ssl_config(messages, tmp_path, mutual):
    pem = {
        "key": '-----BEGIN PRIVATE KEY-----\nMIIE"\\\t+/=\n-----END PRIVATE KEY-----\n',
        "certificate": "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
        "ca": "-----BEGIN CERTIFICATE-----\nREVG\n-----END CERTIFICATE-----\n",
    }
    for name, text in pem.items():
        (tmp_path / name).write_text(text)
    arguments = [
        tmp_path / "key",
        tmp_path / "certificate",
        *(["--client-ca", tmp_path / "ca"] if mutual else ["--any-client"]),
    ]
    assert script("ssl_config.py", *arguments, "-o", tmp_path / "ssl.config")[0] == 0
    config = text_format.Parse((tmp_path / "ssl.config").read_text(), messages("SSLConfig"))
    assert (config.server_key, config.server_cert) == (pem["key"], pem["certificate"])
    assert (config.custom_ca, config.client_verify) == ((pem["ca"], True) if mutual else ("", False))
    assert stat.S_IMODE((tmp_path / "ssl.config").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["ca", "certificate", "key", "ssl.config"]


def test_ssl_config_of_something_else(tmp_path):
    (tmp_path / "key").write_text("nothing")
    for key, message in (("none", "No such file"), ("key", "server_key holds no PRIVATE KEY")):
        status, _, err = script(
            "ssl_config.py", tmp_path / key, tmp_path / "key", "--any-client", "-o", tmp_path / "out"
        )
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
    assert os.listdir(tmp_path) == ["key"]
    status, _, err = script("ssl_config.py", tmp_path / "key", tmp_path / "key", "-o", tmp_path / "out")
    assert status == 2 and "one of the arguments --client-ca --any-client is required" in err


# models.config from a directory


@pytest.fixture
def models(tmp_path):
    for name in ("a2b/1", "a2b/2", "a2b/00000010", "b2a/3", "b2a/.tmp4", "b2a/next", ".hidden/1"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "saved_model.pb").touch()
    (tmp_path / "models" / "b2a" / "5").mkdir()  # without a model in it
    (tmp_path / "models" / "notes").mkdir()
    return tmp_path / "models"


def test_every_model_is_served(models):
    found = model_config(models_config(models)).model_config_list.config
    assert [(each.name, each.base_path, each.model_platform) for each in found] == [
        ("a2b", "/models/a2b", "tensorflow"),
        ("b2a", "/models/b2a", "tensorflow"),
    ]
    assert [each.model_version_policy.latest.num_versions for each in found] == [1, 1]


def test_versions_and_labels(models):
    text = models_config(
        models,
        base_path="/srv/m/",
        versions={"a2b": "specific:1,10"},
        labels={"a2b": {"stable": 1, "canary": 10}, "b2a": {"stable": 3}},
    )
    first, second = model_config(text).model_config_list.config
    assert list(first.model_version_policy.specific.versions) == [1, 10]
    assert first.base_path == "/srv/m/a2b"
    assert dict(first.version_labels) == {"stable": 1, "canary": 10}
    assert second.model_version_policy.latest.num_versions == 1
    assert dict(second.version_labels) == {"stable": 3}
    assert all(
        each.model_version_policy.WhichOneof("policy_choice") == "all"
        for each in model_config(models_config(models, versions="all")).model_config_list.config
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"versions": "newest"}, "versions of a2b are 'newest'; expected latest, latest:COUNT, all or specific:"),
        ({"versions": "latest:0"}, "versions of a2b: latest is 0"),
        ({"versions": "all:3"}, "versions of a2b are 'all:3'"),
        ({"versions": {"a2b": "specific:1,7"}}, "a2b has no version 7; expected some of 1, 2, 10"),
        ({"versions": {"c": "all"}}, "no model c in .*; expected some of a2b, b2a"),
        ({"labels": {"c": {"stable": 1}}}, "no model c"),
        ({"labels": {"a2b": {"stable": 1}}}, "label stable of a2b is version 1; expected one that is served: 10"),
        ({"labels": {"a2b": {"my-label": 10}}}, "a label of a2b is 'my-label'"),
        ({"base_path": "models"}, "base_path is 'models'"),
    ],
)
def test_mistakes(models, options, message):
    with pytest.raises(InputError, match=message):
        models_config(models, **options)


def test_no_models(tmp_path):
    with pytest.raises(InputError, match="holds no model"):
        models_config(tmp_path)
    with pytest.raises(MissingFileError, match="no such directory"):
        models_config(tmp_path / "none")


def test_the_script(models, tmp_path):
    output = tmp_path / "models.config"
    options = ["--versions", "a2b=latest:2", "--label", "a2b:stable=2", "--label", "a2b:canary=10"]
    assert script("models_config.py", models, "-o", output, *options)[0] == 0
    labels = {"a2b": {"stable": 2, "canary": 10}}
    assert output.read_text() == models_config(models, versions={"a2b": "latest:2"}, labels=labels)
    status, _, err = script("models_config.py", models, "-o", output, "--label", "a2b=2")
    assert (status, err) == (2, "models_config: --label is 'a2b=2'; expected MODEL:LABEL=VERSION\n")


# Docker Compose


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.stem)
def test_compose(path):
    server = load(path)["services"]["tensorflow-serving"]
    given = flags(server["command"])
    base = flags(load(COMPOSE[0])["services"]["tensorflow-serving"]["command"])
    assert base.items() <= given.items()  # a file that replaces the command keeps all of it
    for name, value in given.items():
        if name.endswith("_file"):
            assert value.startswith("/config/")
            file = CONFIG / value.removeprefix("/config/")
            assert file.exists() or file.with_name(f"{file.name}.template").exists()
    assert given.get("enable_per_model_batching_parameters") == given.get("enable_batching")
    assert given["enable_profiler"] == "false"


def test_compose_agrees_with_itself_and_with_prometheus():
    services = load(COMPOSE[0])["services"]
    server, prometheus = services["tensorflow-serving"], services["prometheus"]
    mounts = dict(
        re.sub(r"\$\{MODELS:-(.*)\}", r"\1", each).removesuffix(":ro").split(":") for each in server["volumes"]
    )
    assert mounts == {"../models": "/models", "./config": "/config"}
    assert all(each.endswith(":ro") for each in server["volumes"] + prometheus["volumes"])
    assert {each.rsplit(":", 1)[1] for each in server["ports"]} == {"8500", "8501"}
    assert all(each.startswith("127.0.0.1:") for each in server["ports"] + prometheus["ports"])
    scraped = load(CONFIG / "prometheus.yml")
    assert scraped["scrape_configs"][0]["static_configs"][0]["targets"] == ["tensorflow-serving:8501"]
    for each in prometheus["volumes"]:
        assert (SERVING / each.split(":")[0]).is_file()
    assert scraped["rule_files"] == ["alerts.yml"]
    assert server["environment"]["TF_ENABLE_ONEDNN_OPTS"].endswith(":-1}")
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", server["image"])


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.stem)
def test_compose_gives_no_more_than_is_needed(path):
    """A file that is given later adds to the first one, and takes nothing of this away."""
    for name, service in load(path)["services"].items():
        service = {**load(COMPOSE[0])["services"][name], **service}
        user = re.sub(r"\$\{\w+:-(.*)\}", r"\1", service["user"])
        assert int(user.split(":")[0]) >= 10_000
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"\$\{\w+:-\d+g\}|\d+g", service["mem_limit"]) and service["pids_limit"] <= 1024
        assert not service.keys() & {"privileged", "network_mode", "pid", "ipc", "devices"}
        for port in service["ports"]:
            assert re.fullmatch(r"(127\.0\.0\.1|\$\{\w+:-127\.0\.0\.1\}):(\d+):\2", port)
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", service["image"])


def test_alerts_name_metrics_of_tensorflow_serving():
    """The names in servables/tensorflow/util.cc, as util/prometheus_exporter.cc writes them; their labels likewise."""
    known = {f":tensorflow:serving:{name}" for name in ("request_count", "request_latency_bucket")}
    rules = load(CONFIG / "alerts.yml")["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r":tensorflow:\w+:\w+", rule["expr"])}
    assert used == known
    labels = {name for rule in rules for name in re.findall(r"(\w+)!?=\"", rule["expr"])}
    assert labels <= {"status", "API", "job"}


# Kubernetes


@pytest.fixture(scope="module")
def manifests():
    found = {}
    for path in sorted(MANIFESTS.glob("*.yaml")):
        (document,) = yaml.safe_load_all(path.read_text())
        found[path.stem] = document
    return found


def test_manifests_agree(manifests):
    kinds = {name: (each["apiVersion"], each["kind"]) for name, each in manifests.items()}
    assert kinds == {
        "canary": ("v1", "ConfigMap"),
        "configmap": ("v1", "ConfigMap"),
        "deployment": ("apps/v1", "Deployment"),
        "hpa": ("autoscaling/v2", "HorizontalPodAutoscaler"),
        "models-volume": ("v1", "PersistentVolumeClaim"),
        "networkpolicy": ("networking.k8s.io/v1", "NetworkPolicy"),
        "pdb": ("policy/v1", "PodDisruptionBudget"),
        "service": ("v1", "Service"),
    }
    deployment = manifests["deployment"]
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        manifests["service"]["spec"]["selector"],
        manifests["pdb"]["spec"]["selector"]["matchLabels"],
        manifests["networkpolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector == labels
    target = manifests["hpa"]["spec"]["scaleTargetRef"]
    assert [target[key] for key in ("apiVersion", "kind")] == [deployment[key] for key in ("apiVersion", "kind")]
    assert target["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    assert manifests["service"]["spec"]["clusterIP"] == "None"
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == manifests["models-volume"]["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == manifests["configmap"]["metadata"]["name"]
    assert manifests["canary"]["metadata"] == manifests["configmap"]["metadata"]


@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
def test_schemas(manifests, version):
    """Every field is one that Kubernetes knows; and the check notices one that is not."""
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)
    wrong = {**manifests["pdb"], "spec": {**manifests["pdb"]["spec"], "maxUnavailible": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_pod(manifests):
    pod = manifests["deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    given = flags(container["args"])
    base = flags(load(COMPOSE[0])["services"]["tensorflow-serving"]["command"])
    assert given.keys() == base.keys() | {"grpc_channel_arguments"}
    assert container["image"] == load(COMPOSE[0])["services"]["tensorflow-serving"]["image"]
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert mounts["/models"] == "models"
    assert {each["name"] for each in pod["spec"]["volumes"]} == {*mounts.values()}
    files = manifests["configmap"]["data"]
    for name, value in given.items():
        if name.endswith("_file"):
            assert value.removeprefix("/config/") in files
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for each in manifests["service"]["spec"]["ports"]:
        assert ports[each["targetPort"]] == each["port"]
    cores = int(container["resources"]["limits"]["cpu"])
    assert given["tensorflow_intra_op_parallelism"] == given["tensorflow_inter_op_parallelism"] == cores
    assert container["resources"]["requests"]["cpu"] == str(cores)
    annotations = pod["metadata"]["annotations"]
    assert int(annotations["prometheus.io/port"]) == ports["rest"]
    assert f'path: "{annotations["prometheus.io/path"]}"' in files["monitoring.config"]
    (model,) = model_config(files["models.config"]).model_config_list.config
    assert model.name in MODELS["zoo"]() and model.base_path == f"/models/{model.name}"
    assert container["startupProbe"]["httpGet"] == {"path": f"/v1/models/{model.name}", "port": "rest"}
    assert container["readinessProbe"]["httpGet"] == {"path": f"/v1/models/{model.name}/metadata", "port": "rest"}
    stop = container["lifecycle"]["preStop"]["exec"]["command"]
    assert stop[0] == "sleep"
    assert int(stop[1]) < pod["spec"]["terminationGracePeriodSeconds"]


VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def not_restricted(pod):
    """List what the level "restricted" of Kubernetes' Pod Security Standards (1.31) refuses in the spec of a pod."""
    found = {name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)}
    found |= {f"volume {each['name']}" for each in pod.get("volumes", []) if not each.keys() - {"name"} <= VOLUMES}
    outer = pod.get("securityContext", {})
    if outer.get("sysctls"):
        found.add("sysctls")
    for container in [*pod["containers"], *pod.get("initContainers", []), *pod.get("ephemeralContainers", [])]:
        own = container.get("securityContext", {})
        both = {**outer, **own}
        if own.get("privileged"):
            found.add("privileged")
        if own.get("allowPrivilegeEscalation") is not False:
            found.add("allowPrivilegeEscalation")
        if both.get("runAsNonRoot") is not True or outer.get("runAsUser") == 0 or own.get("runAsUser") == 0:
            found.add("root")
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.add("seccompProfile")
        capabilities = own.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []) or not {*capabilities.get("add", [])} <= {"NET_BIND_SERVICE"}:
            found.add("capabilities")
        if own.get("procMount", "Default") != "Default":
            found.add("procMount")
        if any(port.get("hostPort") for port in container.get("ports", [])):
            found.add("hostPort")
        for context in (outer, own):
            if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") == "Unconfined":
                found.add("appArmorProfile")
    return found


def test_pod_security_restricted_admits_the_pods(manifests):
    """The check refuses what it should, too."""
    pod = manifests["deployment"]["spec"]["template"]["spec"]
    assert not_restricted(pod) == set()
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    for change, refused in (
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "volume x"),
        ({"securityContext": {"runAsNonRoot": True}}, "seccompProfile"),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "root"),
        ({"containers": [{**container, "ports": [{"containerPort": 1, "hostPort": 1}]}]}, "hostPort"),
        ({"containers": [{**container, "securityContext": {"capabilities": {"drop": ["ALL"]}}}]}, "allowPriv"),
        ({"initContainers": [{"securityContext": {"allowPrivilegeEscalation": False}}]}, "capabilities"),
    ):
        (only,) = not_restricted({**pod, **change})
        assert only.startswith(refused)


def test_the_network_policy_lets_in_who_is_named(manifests):
    policy = manifests["networkpolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and policy["egress"] == []
    (container,) = manifests["deployment"]["spec"]["template"]["spec"]["containers"]
    opened = {each["port"]: rule["from"] for rule in policy["ingress"] for each in rule["ports"]}
    assert opened.keys() == {port["name"] for port in container["ports"]}
    assert all(
        peers and all(peer.get("podSelector", {}).get("matchLabels") for peer in peers) for peers in opened.values()
    )


def test_config_maps_hold_what_the_files_hold(manifests, messages):
    parse = lambda text: text_format.Parse(text, messages("MonitoringConfig"))
    for name in ("configmap", "canary"):
        text = manifests[name]["data"]["monitoring.config"]
        assert parse(text) == parse((CONFIG / "monitoring.config").read_text())


def test_the_canary(manifests):
    """Every label is a version that is named, and "stable" does not move."""
    (before,) = model_config(manifests["configmap"]["data"]["models.config"]).model_config_list.config
    (after,) = model_config(manifests["canary"]["data"]["models.config"]).model_config_list.config
    for model in (before, after):
        assert {*model.version_labels.values()} == {*model.model_version_policy.specific.versions}
    assert after.version_labels["stable"] == before.version_labels["stable"]
    assert after.version_labels["canary"] != after.version_labels["stable"]
    assert after.base_path == before.base_path


# Programs


@pytest.fixture(scope="module")
def server():
    server = ScriptedServer()
    yield server
    server.stop()


def test_closed_loop(server):
    load_test = runpy.run_path(str(SERVING / "load_test.py"))
    picture = load_test["noise"](32)
    server.script.extend([later(0.05)] * 4)

    async def run():
        async with AsyncStyleClient(server.address, "invert", retries=0) as client:
            return await load_test["load"](client, picture, concurrency=4, requests=30, seconds=20)

    server.at_once = 0
    report = asyncio.run(run())
    assert (report["requests"], report["answers"], report["errors"], report["skipped"]) == (30, 30, {}, 0)
    assert report["versions"] == {"7": 30}
    assert 1 < server.at_once <= 4
    latency = report["latency_ms"]
    assert list(latency) == ["p50", "p90", "p95", "p99", "max"]
    assert list(latency.values()) == sorted(latency.values())
    assert latency["max"] >= 50
    assert report["answers_per_second"] == pytest.approx(30 / report["seconds"], rel=1e-2)


def test_open_loop_counts_from_when_a_picture_was_due(server):
    """While a server stands still, pictures that come wait, and those without room are skipped."""
    load_test = runpy.run_path(str(SERVING / "load_test.py"))

    async def run(**options):
        async with AsyncStyleClient(server.address, "invert", retries=0) as client:
            return await load_test["load"](client, load_test["noise"](32), **options)

    server.script.extend([later(0.6)] * 3)
    report = asyncio.run(run(concurrency=3, rate=50, requests=40, seconds=20))
    assert report["answers"] + report["skipped"] == 40
    assert report["skipped"] >= 10
    assert report["latency_ms"]["max"] >= 600
    report = asyncio.run(run(concurrency=50, rate=1000, requests=10**6, seconds=0.5))
    assert report["answers"] + report["skipped"] < 1500


def test_errors_are_counted_by_code(server, tmp_path):
    """The script as a whole, in another process."""
    import grpc

    server.script.append(lambda request, context: None)  # what asks whether the model is ready
    server.script.extend([(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")] * 3)
    options = ["--concurrency", 1, "--requests", 10, "--size", 32, "--warm-up", 0, "-o", tmp_path / "load.json"]
    status, out, err = script("load_test.py", "--server", server.address, "--model", "invert", *options)
    assert status == 1, err
    report = json.loads(out)
    assert report == json.loads((tmp_path / "load.json").read_text())
    assert (report["requests"], report["answers"], report["errors"]) == (10, 7, {"RESOURCE_EXHAUSTED": 3})
    assert report["settings"]["model"] == "invert"


def test_client_example(server, tmp_path):
    from scripted_server import png

    (tmp_path / "photo.png").write_bytes(png(np.zeros((16, 16, 3), np.uint8)))
    example = runpy.run_path(str(SERVING / "client_example.py"))
    with (
        keras_style.serving.StyleClient(server.address, "invert") as stable,
        keras_style.serving.StyleClient(server.address, "invert", label="canary") as canary,
        keras_style.serving.StyleClient(server.address, "invert", label="gone") as gone,
    ):
        for on_trial, share, asked in ((canary, 1.0, ["canary"]), (canary, 0.0, [""]), (gone, 1.0, ["gone", ""])):
            server.requests.clear()
            assert example["stylize"](tmp_path / "photo.png", stable, on_trial, share).data
            assert [each.model_spec.version_label for each in server.requests] == asked


def script(name, *arguments):
    """Status, standard output and standard error of a program in serving/."""
    line = [sys.executable, str(SERVING / name), *map(str, arguments)]
    root = str(Path(keras_style.__file__).parents[1])
    environment = fresh_environment(PYTHONPATH=root)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr
