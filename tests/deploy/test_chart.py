"""The Helm chart: every shape of it is what Kubernetes and Outrigger take, and wrong values are refused with a way out."""
import base64
import itertools
import re
import shutil
import socket
import subprocess
import tarfile
import tomllib
import urllib.parse

import pytest
import yaml

from conftest import CHART, HERE, KUBERNETES, OUTRIGGER, check_toml, need, one, rendered, run, template, valid, wire

SHAPES = sorted(CHART.glob("ci/*-values.yaml"))


def toml(manifests, name=None):
    found = [m for m in manifests if m["kind"] == "ConfigMap" and "outrigger.toml" in m.get("data", {}) and "hook" not in str(m["metadata"])]
    assert len(found) == 1
    return found[0]["data"]["outrigger.toml"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda path: path.stem)
def test_lint(shape):
    done = run(need("helm"), "lint", "--strict", CHART, "--values", shape, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda path: path.stem)
def test_manifests_are_what_kubernetes_takes(shape, version):
    manifests = rendered("--values", shape, version=version)
    valid(manifests, version)
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda path: path.stem)
def test_configuration_is_what_outrigger_takes(shape, tmp_path):
    done = check_toml(toml(rendered("--values", shape)), tmp_path)
    assert done.returncode == 0, done.stderr


def readme_blocks():
    """The YAML in README.md that is values of this chart; what goes with the values before it, together with them."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (CHART / "README.md").read_text(), re.M | re.S)
    return [block for block in blocks if re.search("^config:", block, re.M)] + \
        [before + block for before, block in itertools.pairwise(blocks) if block.startswith("networkPolicy:")]


def test_the_readme_has_examples():
    assert len(readme_blocks()) == 3


@pytest.mark.parametrize("block", readme_blocks(), ids=lambda block: block.split(":")[0].split("\n")[-1])
def test_the_readme_s_values_start_with_the_secrets_that_it_has_one_make(block, tmp_path):
    """With no other file than those that the pod's volume has, of a Secret with the entries of the `kubectl create secret` beside it."""
    values = tmp_path / "values.yaml"
    values.write_text(block)
    manifests = rendered("--values", values)
    valid(manifests, KUBERNETES[-1])
    pod = one(manifests, "Deployment", "rel-outrigger")["spec"]["template"]["spec"]
    sources = [source["secret"] for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
    there = {item["path"] for secret in sources for item in secret.get("items", [])}
    for name, literals in re.findall(r"kubectl .*create secret generic (\S+) (.+)", block):
        assert {"name": name} in sources
        there |= set(re.findall(r"--from-literal=([^=\s]+)=", literals))
    done = check_toml(toml(manifests), tmp_path, there={"/run/secrets/outrigger/" + name for name in there})
    assert done.returncode == 0, done.stderr


def test_every_value_is_in_the_schema_and_in_the_readme():
    def leaves(value, path):
        if isinstance(value, dict) and value and path not in ("podSecurityContext", "securityContext", "resources", "updateStrategy") \
                and not path.endswith(("Probe", "resources", ".labels")):
            for key, inner in value.items():
                yield from leaves(inner, f"{path}.{key}" if path else key)
        else:
            yield path
    readme = (CHART / "README.md").read_text()
    missing = [path for path in leaves(yaml.safe_load((CHART / "values.yaml").read_text()), "") if f"`{path}`" not in readme]
    assert not missing


CLOSED = "networkPolicy.enabled=true,"
PEER = "networkPolicy.extraEgress[0].to[0].ipBlock.cidr=10.0.0.0/8"
DOOR = CLOSED + "dify.enabled=true,dify.backend=http://dify-api:5001,"


@pytest.mark.parametrize("wrong, words", [
    ("replicaCount=two", "replicaCount"),
    ("replicas=2", "replicas"),
    ("mode=daemonset", "mode"),
    ("drain=30", "drain"),
    ("redis.url=redis://:secret@redis:6379", "url"),
    ("keys.values.redis-password=x", "redis-password"),
    ("ports.llm=70000", "llm"),
    ("service.type=External", "service"),
    ("ingress.enabled=true", "hosts"),
    ("httpRoute.enabled=true", "parentRefs"),
    ("image.pullPolicy=Sometimes", "pullPolicy"),
    ("metrics.serviceMonitor.enable=true", "enable"),
    # Beyond a schema: these speak of what to do.
    ("config=[listen]", "`ports`"),
    ("config=[redis]", "use `redis`"),
    ("config=[[upstream]", "not TOML"),
    ("config=[cache]", "no [[upstream]]"),
    ("redis.url=redis://a:6379,redis.own.enabled=true", "keep one"),
    ("ingress.enabled=true,ingress.hosts={a.example}", "`dify.enabled`"),
    ("dify.enabled=true", "`dify.backend`"),
    ("mode=sidecar,dify.enabled=true", "`dify.backend`"),
    ("redis.own.enabled=true,redis.own.maxmemory=512mb", "`redis.own.resources.limits.memory`"),
    ("redis.own.enabled=true,redis.own.maxmemory=308mb", "385Mi"),
    ("redis.own.enabled=true,redis.own.maxmemory=1gb,redis.own.resources.limits.memory=1Gi", "1280Mi"),
    ("redis.own.enabled=true,redis.own.maxmemory=1gb,redis.own.resources.limits.memory=1.2Gi", "1280Mi"),
    ("redis.own.enabled=true,redis.own.maxmemory=300000kb,redis.own.resources.limits.memory=380M", "367Mi"),
    ("redis.own.enabled=true,redis.own.resources.limits.memory=320000000", "320Mi"),
    # A network policy that would cut off what other values ask for.
    (CLOSED + "metrics.serviceMonitor.enabled=true", "`networkPolicy.metricsFrom`"),
    (CLOSED + "redis.url=redis://redis:6379", "`redis.url`"),
    (CLOSED + "redis.url=rediss://redis.example.com:6380,networkPolicy.egressPorts={443,5001}", "443, 5001"),
    (CLOSED + "redis.url=redis://redis," + PEER + ",networkPolicy.extraEgress[0].ports[0].port=6000", "`redis.url`"),
    (CLOSED + "redis.url=redis://redis," + PEER + ",networkPolicy.extraEgress[0].ports[0].port=6379"
     ",networkPolicy.extraEgress[0].ports[0].protocol=UDP", "`redis.url`"),
    (CLOSED + "dify.enabled=true,dify.backend=http://dify-api:5001", "`dify.backend`"),
    (CLOSED + "dify.enabled=true,dify.backend=http://dify-api-svc:80", "5001"),
    (CLOSED + 'dify.enabled=true,config=[[upstream]]\nname="one"\ndialect="dify"\nurl="http://{{ .Release.Name }}-api:5001"', "upstream one"),
    (DOOR + "networkPolicy.egressPorts={443,5001},ingress.enabled=true,ingress.hosts={a.example}", "`networkPolicy.from`"),
    (DOOR + "networkPolicy.egressPorts={443,5001},httpRoute.enabled=true,httpRoute.parentRefs[0].name=a,"
     "httpRoute.parentRefs[0].namespace=gateways", "`networkPolicy.from`"),
])
def test_wrong_values_are_refused(wrong, words):
    done = template("--set", wrong, check=False)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.parametrize("right", [
    CLOSED + "redis.url=redis://redis:6379,networkPolicy.egressPorts={443,6379}",
    CLOSED + "redis.url=redis://redis:80,networkPolicy.egressPorts={443,6379}",  # a Service's port that leads to the pod's
    CLOSED + "redis.url=redis://redis:6379," + PEER,  # every port there
    CLOSED + "redis.url=redis://redis:6379," + PEER + ",networkPolicy.extraEgress[0].ports[0].port=redis",  # whatever that is
    CLOSED + "redis.url=redis://redis:6379," + PEER + ",networkPolicy.extraEgress[0].ports[0].port=6000"
    ",networkPolicy.extraEgress[0].ports[0].endPort=6400",
    CLOSED + "dify.enabled=true,dify.backend=https://dify.example.com",
    CLOSED + "redis.own.enabled=true",
    DOOR + "networkPolicy.egressPorts={443,5001}",
    DOOR + "networkPolicy.egressPorts={443,5001},httpRoute.enabled=true,httpRoute.parentRefs[0].name=a",  # a gateway of this namespace
    DOOR + "networkPolicy.egressPorts={443,5001},ingress.enabled=true,ingress.hosts={a.example},networkPolicy.from[0].namespaceSelector.a=b",
])
def test_a_network_policy_that_lets_through_is_taken(right):
    template("--set", right)


@pytest.mark.parametrize("limit", ["320Mi", "336M", "335544320", "1Gi", "1.5Gi", "400000Ki", "1T", "3e8", "", "null"])
def test_a_redis_that_has_room_is_taken(limit):
    """256mb and a quarter. What no limit is, or none that can be read, is the cluster's affair."""
    template("--set", f"redis.own.enabled=true,redis.own.resources.limits.memory={limit}")


def test_the_dify_door_takes_its_backends_from_the_configuration_as_well(tmp_path):
    config = '[[upstream]]\nname = "a"\nurl = "http://a-api:5001"\ndialect = "dify"\n'
    config += config.replace('"a"', '"b"').replace("a-api", "b-api")
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"dify": {"enabled": True}, "config": config}))
    done = check_toml(toml(rendered("--values", tmp_path / "values.yaml")), tmp_path)
    assert done.returncode == 0 and "b  http://b-api:5001" in done.stdout


def pod_port(url):
    """The port that a network policy sees. Of the Services in the examples one has another than its pods: that of Dify's api, at douban."""
    parts = urllib.parse.urlsplit(url)
    if parts.hostname == "dify-api-svc":
        return 5001
    return parts.port or {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}[parts.scheme]


@pytest.mark.parametrize("values", [*SHAPES, *readme_blocks()], ids=lambda values: getattr(values, "stem", None) or "README")
def test_the_network_policy_of_each_shape_lets_through_what_it_asks_for(values, tmp_path):
    """Who scrapes, who comes through an ingress or a gateway, and where the configuration leads to."""
    if isinstance(values, str):
        (tmp_path / "values.yaml").write_text(values)
        values = tmp_path / "values.yaml"
    manifests = rendered("--values", values)
    of_kind = {kind: [m for m in manifests if m["kind"] == kind] for kind in ("NetworkPolicy", "ServiceMonitor", "Ingress", "HTTPRoute")}
    policies = [m for m in of_kind["NetworkPolicy"] if m["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "proxy"]
    if not policies:
        return
    spec = policies[0]["spec"]

    def from_elsewhere(port):
        return [peer for rule in spec["ingress"] if port in [p["port"] for p in rule["ports"]] for peer in rule["from"]
                if "podSelector" not in peer or "namespaceSelector" in peer]
    assert not of_kind["ServiceMonitor"] or from_elsewhere("outrigger-admin")
    assert not (of_kind["Ingress"] or of_kind["HTTPRoute"]) or from_elsewhere("dify")
    config = tomllib.loads(toml(manifests))
    urls = [upstream["url"] for upstream in config["upstream"]] + [config["redis"]["url"] for _ in range("redis" in config)]
    open_ports = {port["port"] for rule in spec["egress"] for port in rule.get("ports", []) if port["protocol"] == "TCP"}
    assert urls and {pod_port(url) for url in urls} <= open_ports


def test_pods_are_restricted():
    """What Pod Security's level "restricted" asks for, of every container of every pod."""
    for shape in SHAPES:
        for manifest in rendered("--values", shape):
            pod = manifest["spec"]["template"]["spec"] if manifest["kind"] == "Deployment" else manifest.get("spec")
            if manifest["kind"] not in ("Deployment", "Pod"):
                continue
            assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
            assert pod["automountServiceAccountToken"] is False
            for container in pod["containers"] + pod.get("initContainers", []):
                if container["name"] in ("shipper", "wait"):  # the operator's own
                    continue
                context = container["securityContext"]
                assert context["runAsNonRoot"] and context["readOnlyRootFilesystem"]
                assert context["allowPrivilegeEscalation"] is False and context["capabilities"]["drop"] == ["ALL"]
                assert container["resources"]["limits"]["memory"]


def test_a_changed_configuration_rolls_the_pods_unless_told_not_to():
    def annotations(*arguments):
        return one(rendered(*arguments), "Deployment", "rel-outrigger")["spec"]["template"]["metadata"]["annotations"]
    other = ("--set", "drain=31s")
    assert annotations()["checksum/outrigger-config"] != annotations(*other)["checksum/outrigger-config"]
    assert annotations("--set", "restartOnChange=false") == annotations("--set", "restartOnChange=false", *other)


def test_a_new_version_of_the_chart_leaves_its_redis_running(tmp_path):
    """What it keeps is in memory only."""
    newer = tmp_path / "newer"
    shutil.copytree(CHART, newer)
    about = (newer / "Chart.yaml").read_text()
    (newer / "Chart.yaml").write_text(re.sub(r"^(version|appVersion): .*", r'\1: "9.9.9"', about, flags=re.M))

    def deployment(name, chart):
        return one(rendered("--set", "redis.own.enabled=true,replicaCount=2,commonLabels.team=support", chart=chart), "Deployment", name)
    assert deployment("rel-outrigger", CHART)["spec"]["template"] != deployment("rel-outrigger", newer)["spec"]["template"]
    redis = deployment("rel-outrigger-redis", CHART)["spec"]
    assert redis["template"] == deployment("rel-outrigger-redis", newer)["spec"]["template"]
    assert redis["selector"]["matchLabels"].items() <= redis["template"]["metadata"]["labels"].items()
    assert redis["template"]["metadata"]["labels"]["team"] == "support"


def test_pods_are_given_time_to_end():
    for drain, seconds in (("30s", 40), ("2m", 130), ("1h", 3610)):
        pod = one(rendered("--set", f"drain={drain}"), "Deployment")["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == seconds
    pod = one(rendered("--set", "drainDelay=1m"), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 95
    # The pause is the program's own, so that it does not depend on what Kubernetes can do.
    assert 'drain_delay = "1m"' in toml(rendered("--set", "drainDelay=1m"))
    assert "drain_delay" not in toml(rendered("--values", CHART / "ci/sidecar-values.yaml"))


def test_the_service_and_the_probes_find_the_ports():
    manifests = rendered("--values", CHART / "ci/everything-values.yaml")
    container = one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    service = {port["name"]: port for port in one(manifests, "Service")["spec"]["ports"]}
    assert {name: port["targetPort"] for name, port in service.items()} == {"llm": "llm", "dify": "dify", "admin": "outrigger-admin"}
    assert set(ports) == {"llm", "dify", "outrigger-admin"}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert one(manifests, "ServiceMonitor")["spec"]["endpoints"][0]["port"] in service
    rule = one(manifests, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]
    assert rule["path"] == "/v1" and rule["backend"]["service"]["port"]["name"] == "dify"
    backend = one(manifests, "HTTPRoute")["spec"]["rules"][0]["backendRefs"][0]
    assert backend["port"] == service["dify"]["port"]


def test_the_network_policy_lets_in_who_has_to():
    def admitted(policy):
        return {port["port"]: [peer["podSelector"]["matchLabels"].get("app.kubernetes.io/component") for peer in rule["from"]
                               if peer.get("podSelector", {}).get("matchLabels")]
                for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    manifests = rendered("--values", CHART / "ci/replicas-own-redis-values.yaml")
    policy = one(manifests, "NetworkPolicy", "rel-outrigger")
    assert admitted(policy) == {"llm": ["test"], "outrigger-admin": ["test"]}
    assert policy["spec"]["ingress"][0]["from"] == [{"podSelector": {}}]
    assert policy["spec"]["ingress"][1]["from"][0]["namespaceSelector"]
    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443, 8000, 6379]
    assert admitted(one(manifests, "NetworkPolicy", "rel-outrigger-redis")) == {"redis": ["proxy"]}
    # What the policies select is there.
    for component, kind in (("proxy", "rel-outrigger"), ("redis", "rel-outrigger-redis")):
        labels = one(manifests, "Deployment", kind)["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == component
    test = one(manifests, "Pod", "rel-outrigger-test-health")["metadata"]["labels"]
    assert test["app.kubernetes.io/component"] == "test"


def notes(tmp_path, *arguments):
    """NOTES.txt, which `helm template` leaves out, as the data of a ConfigMap."""
    chart = tmp_path / "noted"
    shutil.copytree(CHART, chart)
    text = (chart / "templates/NOTES.txt").read_text()
    (chart / "templates/notes.yaml").write_text(
        '{{- define "notes" }}' + text + '{{ end }}\nkind: ConfigMap\nmetadata: { name: notes }\ndata:\n  notes: {{ include "notes" . | toJson }}\n')
    return one(rendered("--show-only", "templates/notes.yaml", *arguments, chart=chart), "ConfigMap")["data"]["notes"]


def test_notes_give_the_urls_for_dify(tmp_path):
    text = notes(tmp_path)
    assert "OPENAI_BASE_URL=http://rel-outrigger.dify:8080/openai/v1\n" in text
    assert "ANTHROPIC_BASE_URL=http://rel-outrigger.dify:8080/anthropic\n" in text
    assert not re.search("NOTE:|WARNING:", text)
    assert "port-forward" in text


def test_notes_of_other_shapes(tmp_path):
    keys = 'config=[[upstream]]\nname = "relay"\nurl = "https://relay.example.com/v1"\nkeys = ["file:/run/secrets/outrigger/a"]\n' \
           '[[route]]\npath = "/faq"'
    text = notes(tmp_path, "--set", keys.replace(",", "\\,") + ",replicaCount=2,keys.values.a=sk-secret,dify.enabled=true,"
                 "dify.backend=http://api:5001,tls.existingSecret=tls")
    assert "https://rel-outrigger.dify:8080/relay/v1" in text and "https://rel-outrigger.dify:8080/faq/v1" in text
    assert "https://rel-outrigger.dify:8081/v1" in text
    assert "without Redis" in text and "WARNING: upstream relay has `keys`" in text and "existingSecret" in text
    assert "ANTHROPIC_BASE_URL" not in text and "sk-secret" not in text


def test_notes_say_that_the_own_redis_forgets_what_was_spent(tmp_path):
    client = '\n[[client]]\nname = "desk"\nkey = "file:/run/secrets/outrigger/desk"\n'
    config = '[[upstream]]\nname = "a"\nurl = "https://a.example/v1"\n' + client
    spends = config + "budget = { usd_per_day = 20 }\n"

    def says(text, *others):
        values = tmp_path / f"{hash(text)}.yaml"  # what was rendered is remembered by its arguments
        values.write_text(yaml.safe_dump({"config": text}))
        done = notes(tmp_path, "--values", values, *others)
        shutil.rmtree(tmp_path / "noted")
        return "budgets" in done
    own = ("--set", "redis.own.enabled=true")
    assert says(spends, *own)
    assert not says(config, *own)
    assert not says(spends, "--set", "redis.url=redis://redis:6379")


# Only what NOTES and the test need of it: one entry of one Secret, from files.
KUBECTL = """#!/bin/sh
set -eu
[ "$1 $2 $3 $4 $6" = "-n dify get secret -o" ]
key=${7#"jsonpath={.data."}
cat "$SECRETS/$5/$(printf %s "${key%?}" | sed 's/\\\\//g')"
"""


@pytest.mark.parametrize("values", [(), ("--set", "adminToken.existingSecret=mine,adminToken.key=a.token,redis.own.enabled=true")],
                         ids=["the chart's own token", "an existing Secret"])
def test_what_the_notes_say_opens_the_admin_door(values, tmp_path):
    """The rendered configuration in the real binary, and NOTES' own lines with the Secrets that would be in the cluster."""
    manifests = rendered(*values)
    secrets = {m["metadata"]["name"]: m["data"] for m in manifests if m["kind"] == "Secret"}
    if values:
        assert "rel-outrigger-admin" not in secrets
        secrets["mine"] = {"a.token": base64.b64encode(b"from elsewhere").decode()}
    for name, data in secrets.items():
        (tmp_path / name).mkdir()
        for key, value in data.items():
            (tmp_path / name / key).write_text(value)
    # The files that the pod has, where its volume puts them.
    pod = one(manifests, "Deployment", "rel-outrigger")["spec"]["template"]["spec"]
    sources = next(volume for volume in pod["volumes"] if volume["name"] == "outrigger-secrets")["projected"]["sources"]
    files = {item["path"]: base64.b64decode(secrets[source["secret"]["name"]][item["key"]])
             for source in sources for item in source["secret"]["items"]}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = toml(manifests).replace('"0.0.0.0:8080"', '"127.0.0.1:0"').replace(":9090", f":{port}").replace('"5s"', '"0s"')
    config = config.replace("rel-outrigger-redis:6379", "127.0.0.1:1")
    for path, content in files.items():
        (tmp_path / path).write_bytes(content)
        config = config.replace(f"/run/secrets/outrigger/{path}", str(tmp_path / path))
    (tmp_path / "outrigger.toml").write_text(config)
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)

    lines = [line.strip() for line in notes(tmp_path, *values).splitlines()]
    forward = [line for line in lines if "port-forward" in line]
    assert forward == ["kubectl -n dify port-forward deploy/rel-outrigger 9090:9090"]
    token, curl = next(line for line in lines if line.startswith("TOKEN=")), next(line for line in lines if line.startswith("curl "))
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SECRETS": str(tmp_path)}
    child = wire.Process([OUTRIGGER, "serve", "--config", tmp_path / "outrigger.toml"], tmp_path / "log")
    try:
        child.wait_for(r"ready: llm door on 127\.0\.0\.1:\d+, admin door on 0\.0\.0\.0:")
        curl = curl.replace(":9090", f":{port}") + " --silent --fail"
        assert '"health":' in run("sh", "-euc", f"{token}\n{curl}", env=env).stdout
        assert run("sh", "-euc", f"TOKEN=wrong\n{curl}", env=env, check=False).returncode == 22
    finally:
        child.stop()


def test_an_admin_token_is_made_or_left_out(tmp_path):
    made = one(rendered(), "Secret", "rel-outrigger-admin")["data"]["admin-token"]
    assert re.fullmatch(rb"[A-Za-z0-9]{32}", base64.b64decode(made))
    without = rendered("--set", "adminToken.create=false")
    assert [m for m in without if m["kind"] == "Secret"] == [] and "admin_token" not in toml(without)
    text = notes(tmp_path, "--set", "adminToken.create=false")
    assert "port-forward" not in text and "adminToken" in text


def test_the_package_is_whole(tmp_path):
    run(need("helm"), "package", CHART, "--destination", tmp_path)
    archive = next(tmp_path.glob("outrigger-*.tgz"))
    with tarfile.open(archive) as tar:
        files = {member.name: member for member in tar.getmembers()}
    for name in ("files/alerts.yaml", "files/outrigger.json", "values.schema.json", "README.md"):
        assert files["outrigger/" + name].isfile() and files["outrigger/" + name].size > 1000
    assert not [name for name in files if "/ci/" in name]
    shapes = rendered("--values", CHART / "ci/everything-values.yaml", chart=archive)
    assert one(shapes, "ConfigMap", "outrigger-dashboard")["data"]["outrigger.json"].startswith("{")


def test_a_chart_of_ones_own_takes_the_sidecar_in(tmp_path):
    """tests/deploy/parent is a chart whose author uses the named templates."""
    parent = tmp_path / "parent"
    shutil.copytree(HERE / "parent", parent)
    shutil.copytree(CHART, parent / "charts/outrigger")
    manifests = rendered(chart=parent)
    valid(manifests, "1.34")
    pod = one(manifests, "Deployment", "rel-plugin-daemon")["spec"]["template"]
    sidecar = pod["spec"]["initContainers"][0]
    assert sidecar["restartPolicy"] == "Always" and sidecar["name"] == "outrigger"
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in sidecar["volumeMounts"]} <= volumes
    assert "checksum/outrigger-config" in pod["metadata"]["annotations"]
    config = one(manifests, "ConfigMap", pod["spec"]["volumes"][0]["configMap"]["name"])["data"]["outrigger.toml"]
    assert 'llm = "127.0.0.1:8080"' in config
    assert check_toml(config, tmp_path).returncode == 0
    # No pods, service or account of its own.
    assert [m["kind"] for m in manifests if m["kind"] in ("Service", "ServiceAccount", "Pod", "PodDisruptionBudget")] == []


def test_the_sidecar_before_dify_s_api(tmp_path):
    parent = tmp_path / "parent"
    shutil.copytree(HERE / "parent", parent)
    shutil.copytree(CHART, parent / "charts/outrigger")
    manifests = rendered("--set", "outrigger.dify.enabled=true,outrigger.dify.backend=http://127.0.0.1:5001", chart=parent)
    sidecar = one(manifests, "Deployment")["spec"]["template"]["spec"]["initContainers"][0]
    assert {"name": "dify", "containerPort": 8081} in sidecar["ports"]
    done = check_toml(one(manifests, "ConfigMap")["data"]["outrigger.toml"], tmp_path)
    assert "dify door   0.0.0.0:8081" in done.stdout and "dify  http://127.0.0.1:5001" in done.stdout


def test_helm_test_scripts_against_the_real_binary(start, tmp_path):
    scripts = CHART / "files/tests"
    sim = start(wire.Sim)
    proxy = start(wire.Outrigger, (scripts / "outrigger.toml").read_text().split("\n\n", 1)[1].replace("http://127.0.0.1:9999", sim.url))
    env = {"PATH": "/usr/bin:/bin", "LLM_URL": proxy.url, "ADMIN_URL": proxy.admin}
    assert "ready" in run("sh", scripts / "health.sh", env=env).stdout
    assert "first: miss, second: hit" in run("sh", scripts / "round-trip.sh", env=env).stdout
    # And they fail when there is something to find.
    off = start(wire.Outrigger, wire.upstream(sim) + '[cache]\nmode = "off"\n')
    assert run("sh", scripts / "round-trip.sh", env={**env, "LLM_URL": off.url}, check=False).returncode != 0
    assert run("sh", scripts / "health.sh", env={**env, "ADMIN_URL": sim.url}, check=False).returncode != 0


def test_the_own_redis_starts_with_what_it_is_given(start, tmp_path):
    need("redis-server")
    container = one(rendered("--set", "redis.own.enabled=true"), "Deployment", "rel-outrigger-redis")["spec"]["template"]["spec"]["containers"][0]
    script = container["args"][0].replace("dir /tmp", f"dir {tmp_path}\nport 0\nunixsocket {tmp_path}/redis.sock")
    child = subprocess.Popen([*container["command"], script], env={"PATH": "/usr/bin:/bin", "REDISCLI_AUTH": "pass word#1"}, stdout=subprocess.PIPE)
    try:
        def ask(password, *words):
            return run("redis-cli", "-s", tmp_path / "redis.sock", *words, check=False, env={"PATH": "/usr/bin:/bin", "REDISCLI_AUTH": password})
        for line in child.stdout:
            if b"ready to accept" in line.lower():
                break
        assert ask("pass word#1", "ping").stdout == "PONG\n"
        assert "allkeys-lru" in ask("pass word#1", "config", "get", "maxmemory-policy").stdout
        assert "NOAUTH" in ask("", "ping").stdout + ask("", "ping").stderr
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
