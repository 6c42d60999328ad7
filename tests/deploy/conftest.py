"""What the delivery tests share: tools that may be missing, the rendered chart, the real binaries of the wire tests."""
import functools
import importlib.util
import pathlib
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
CHART = ROOT / "helm/outrigger"
KUBERNETES = ["1.29", "1.34"]  # the oldest that the chart says it takes, and a new one

_spec = importlib.util.spec_from_file_location("wire", ROOT / "tests/wire/conftest.py")
wire = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(wire)
start = wire.start
OUTRIGGER = wire.BUILD / "outrigger"


def need(tool):
    """The tool's path; without it the test is skipped, and says why."""
    path = shutil.which(tool)
    if not path:
        pytest.skip(f"{tool} cannot be had here")
    return path


def run(*command, check=True, timeout=120, **named):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, **named)
    if check:
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@functools.lru_cache(maxsize=None)
def template(*arguments, chart=CHART, version="1.34", check=True):
    return run(need("helm"), "template", "rel", chart, "--namespace", "dify", "--kube-version", version + ".0", *arguments, check=check)


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def rendered(*arguments, **named):
    return documents(template(*arguments, **named).stdout)


def one(manifests, kind, name=None):
    found = [m for m in manifests if m["kind"] == kind and name in (None, m["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of kind {kind} named {name}"
    return found[0]


# Kinds that are no part of Kubernetes itself.
CUSTOM = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}


def valid(manifests, version):
    """Against Kubernetes's own schemas, where unknown members are errors."""
    for manifest in manifests:
        if manifest["kind"] in CUSTOM:
            continue
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise AssertionError(f"{manifest['kind']} {manifest['metadata']['name']}: {error.message}") from None


def pem_pair(directory):
    """A certificate and its key, in one text. The same for all of a directory, since the two have to fit."""
    cert, key = directory / "pair.crt", directory / "pair.key"
    if not cert.exists():
        run(need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=outrigger", "-keyout", key, "-out", cert)
    return cert.read_text() + key.read_text()


def check_toml(text, directory, env=None, there=None):
    """`outrigger check`, with a file for each secret that the text names; or, if `there` is given, only for those."""
    secrets = directory / "secrets"
    secrets.mkdir(exist_ok=True)
    for name in set(re.findall(r'"file:([^"]+)"', text)):
        if there is not None and name not in there:
            continue
        secret = secrets / name.strip("/").replace("/", "-")
        is_pem = name.endswith((".crt", ".key"))
        secret.write_text(pem_pair(directory) if is_pem else f"value of {secret.name}\n".replace(" ", "-"))
        text = text.replace(f'"file:{name}"', f'"file:{secret}"')
    file = directory / "outrigger.toml"
    file.write_text(text)
    return run(OUTRIGGER, "check", "--config", file, check=False, env=env)


# At the end, since it takes from above.
from engine import engine, images  # noqa: E402, F401
