"""The sidecar for public Dify charts: kustomize component and post-renderer, over what these charts render."""
import os
import re
import shutil

import pytest
import yaml

from conftest import HERE, ROOT, check_toml, documents, need, one, rendered, run, valid

SIDECAR = ROOT / "deploy/kustomize/sidecar"
CHARTS = sorted((HERE / "dify").glob("*.yaml"))


def post_render(text, check=True, renderer=SIDECAR / "post-render", **env):
    need("kustomize")
    return run(renderer, input=text, check=check, env={**os.environ, **env})


@pytest.mark.parametrize("chart", CHARTS, ids=lambda path: path.stem)
def test_the_plugin_daemon_gets_it_and_nobody_else(chart, tmp_path):
    before = documents(chart.read_text())
    after = documents(post_render(chart.read_text()).stdout)
    valid(after, "1.29")
    assert one(after, "Deployment", "dify-api") == one(before, "Deployment", "dify-api")
    assert one(after, "Service") == one(before, "Service")
    was = one(before, "Deployment", "dify-plugin-daemon")["spec"]["template"]["spec"]
    pod = one(after, "Deployment", "dify-plugin-daemon")["spec"]["template"]["spec"]
    assert pod["containers"] == was["containers"]
    # It comes first, so that init containers after it may use it.
    assert [c["name"] for c in pod["initContainers"]] == ["outrigger"] + [c["name"] for c in was.get("initContainers", [])]
    assert pod["initContainers"][0]["image"] == "outrigger:0.1.0"
    assert {v["name"] for v in was.get("volumes", [])} < {v["name"] for v in pod["volumes"]}
    config = one(after, "ConfigMap")
    volume = next(v for v in pod["volumes"] if v["name"] == "outrigger-config")
    assert volume["configMap"]["name"] == config["metadata"]["name"] != "outrigger-sidecar"
    done = check_toml(config["data"]["outrigger.toml"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_changed_configuration_rolls_the_pods(tmp_path):
    copy = tmp_path / "sidecar"
    shutil.copytree(SIDECAR, copy)
    with open(copy / "outrigger.toml", "a") as file:
        file.write('[cache]\nttl = "1h"\n')
    text = CHARTS[0].read_text()
    assert one(documents(post_render(text).stdout), "ConfigMap")["metadata"]["name"] != \
        one(documents(post_render(text, renderer=copy / "post-render").stdout), "ConfigMap")["metadata"]["name"]


@pytest.mark.parametrize("chart", CHARTS, ids=lambda path: path.stem)
def test_before_the_api_as_well(chart, tmp_path):
    """The lines with a # taken in, as the files say."""
    copy = tmp_path / "sidecar"
    shutil.copytree(SIDECAR, copy)
    file = copy / "kustomization.yaml"
    file.write_text(re.sub(r"^  # (- path|- patch|  target)", r"  \1", file.read_text(), flags=re.M))
    file = copy / "outrigger.toml"
    file.write_text(re.sub(r'^# (dify =|\[\[upstream|name =|url = "http:|dialect =|\[dify|trusted)', r"\1", file.read_text(), flags=re.M))
    after = documents(post_render(chart.read_text(), renderer=copy / "post-render").stdout)
    valid(after, "1.29")
    for name in ("dify-api", "dify-plugin-daemon"):
        containers = one(after, "Deployment", name)["spec"]["template"]["spec"]["initContainers"]
        assert [c["name"] for c in containers if c["name"] != "wait"] == ["outrigger"]
    assert one(after, "Service")["spec"]["ports"][0]["targetPort"] == 8081
    done = check_toml(one(after, "ConfigMap")["data"]["outrigger.toml"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dify door   0.0.0.0:8081" in done.stdout and "dify  http://127.0.0.1:5001" in done.stdout


@pytest.mark.parametrize("chart", CHARTS, ids=lambda path: path.stem)
def test_manifests_that_name_their_namespace(chart, tmp_path):
    """kustomize connects a generated ConfigMap with a pod of the same namespace only: it has to be told which that is."""
    named = documents(chart.read_text())
    for manifest in named:
        manifest["metadata"]["namespace"] = "dify"
    done = post_render(yaml.safe_dump_all(named), check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "namespace: " in done.stderr and str(SIDECAR / "kustomization.yaml") in done.stderr
    # The line that is there for it, with its # taken away.
    copy = tmp_path / "sidecar"
    shutil.copytree(SIDECAR, copy)
    file = copy / "kustomization.yaml"
    text, count = re.subn(r"^    # namespace: \w+.*", "    namespace: dify", file.read_text(), flags=re.M)
    assert count == 1
    file.write_text(text)
    after = documents(post_render(yaml.safe_dump_all(named), renderer=copy / "post-render").stdout)
    valid(after, "1.29")
    config = one(after, "ConfigMap")["metadata"]
    pod = one(after, "Deployment", "dify-plugin-daemon")["spec"]["template"]["spec"]
    volume = next(v for v in pod["volumes"] if v["name"] == "outrigger-config")
    assert volume["configMap"]["name"] == config["name"] and config["namespace"] == "dify"


def test_what_has_no_plugin_daemon_is_refused():
    done = post_render("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n", check=False)
    assert done.returncode == 1 and "plugin-daemon" in done.stderr and done.stdout == ""


def test_it_is_the_container_of_the_chart():
    """Written twice because kustomize has no templates: the same but for the image and the Secret, which need not be there."""
    patch = yaml.safe_load((SIDECAR / "container.yaml").read_text())["spec"]["template"]["spec"]["initContainers"][0]
    chart = one(rendered("--set", "keys.existingSecret=outrigger-sidecar", version="1.29"), "Deployment")
    container = chart["spec"]["template"]["spec"]["containers"][0]
    assert {**patch, "image": container["image"]} == {**container, "restartPolicy": "Always"}
