"""The Compose stacks, brought up in a Docker engine: the one to try Outrigger with, and Outrigger beside a reduced Dify.

Images that a registry would have are stood in for, under their own names, by one with the machine's Redis, nginx, Prometheus, curl and
a shell. Grafana is left out: Debian has none; so is what Dify itself does.
"""
import json
import re
import shutil
import subprocess

import pytest

from conftest import HERE, ROOT, need, run
from engine import answer, eventually, pack
from test_compose import ADDON, COMPOSE, LAYOUTS, add, compose

# What each image runs, as the real one does.
STAND_INS = {
    "redis:7.2-alpine": 'CMD ["redis-server"]',
    "redis:6-alpine": 'CMD ["redis-server"]',
    "curlimages/curl:8.11.1": 'CMD ["curl", "--help"]',
    "prom/prometheus:v3.5.0": 'ENTRYPOINT ["prometheus"]\nCMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/p"]',
    "nginx:latest": 'CMD ["nginx", "-g", "daemon off;"]',
    "langgenius/dify-api:1.13.3": 'CMD ["sleep", "3600"]',
    "langgenius/dify-api:1.17.0": 'CMD ["sleep", "3600"]',
    "langgenius/dify-plugin-daemon:0.5.3-local": 'CMD ["sleep", "3600"]',
    "langgenius/dify-plugin-daemon:0.6.10-local": 'CMD ["sleep", "3600"]',
}
NGINX = """events {}
http { access_log off; error_log stderr; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
  uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; include /etc/nginx/conf.d/*.conf; }
"""


@pytest.fixture(scope="module")
def stocked(engine, images, tmp_path_factory):
    """The engine with every image that the stacks name."""
    if not engine.private:
        pytest.skip("the stacks need an engine of their own: they publish fixed ports and stand in for other people's images")
    directory = tmp_path_factory.mktemp("stand-in")
    programs = ["redis-server", "redis-cli", "prometheus", "nginx", "curl", "sh", "sleep"]
    run(ROOT / "deploy/rootfs", directory / "root", *[need(program) for program in programs], timeout=400)
    for place in ("run", "var/log/nginx", "var/lib/nginx", "var/lock", "etc/nginx/conf.d"):
        (directory / "root" / place).mkdir(parents=True)
    (directory / "root/etc/nginx/nginx.conf").write_text(NGINX)
    # The image's own Redis lets everybody in who reaches it.
    wrapper = directory / "root/usr/local/bin/redis-server"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text('#!/usr/bin/sh\nexec /usr/bin/redis-server "$@" --protected-mode no\n')
    wrapper.chmod(0o755)
    with open(directory / "root/etc/passwd", "a") as passwd, open(directory / "root/etc/group", "a") as group:
        passwd.write("nobody:x:65534:65534:nobody:/:/sbin/nologin\n")  # nginx's workers
        group.write("nogroup:x:65534:\n")
    pack(engine, directory / "root", "stand-in")
    shutil.rmtree(directory / "root")
    for name, command in STAND_INS.items():
        (directory / "Dockerfile").write_text(f"FROM stand-in\n{command}\n")
        engine.build(directory, "--tag", name)
    engine.docker("tag", images["outrigger"], "outrigger:0.1.0")
    engine.docker("tag", images["sim"], "outrigger-sim:0.1.0")
    return engine


class Stack:
    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder
        self.environment = {name: value for name, value in engine.environment.items() if name in ("PATH", "HOME", "DOCKER_HOST")}

    def compose(self, *words, check=True, **named):
        return run(*compose(), *words, check=check, cwd=self.folder, env=self.environment, **named)

    def up(self, *services):
        done = self.compose("up", "--detach", "--no-build", "--pull", "never", "--wait", "--wait-timeout", "90", *services, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr + self.compose("logs", "--no-color").stdout)

    def container(self, service):
        return self.compose("ps", "--all", "--quiet", service).stdout.strip()

    def down(self):
        self.compose("down", "--timeout", "1", "--volumes")

    def nothing_left(self):
        left = self.engine.docker("ps", "--all", "--quiet").stdout + self.engine.docker("volume", "ls", "--quiet").stdout
        networks = self.engine.docker("network", "ls", "--format", "{{.Name}}").stdout.split()
        return left == "" and set(networks) == {"bridge", "host", "none"}


@pytest.fixture
def stack(stocked):
    stacks = []

    def up(folder, *services):
        stacks.append(Stack(stocked, folder))
        stacks[0].up(*services)
        return stacks[0]

    yield up
    for one in stacks:
        one.down()
        assert one.nothing_left()


def question(text, **members):
    return json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **members})


def test_the_stack_to_try_in_an_engine(stack):
    """Up, answered once by the provider and once from the cache, watched, killed, stopped under load."""
    tried = stack(COMPOSE / "try", "outrigger", "sim", "redis", "visitors", "prometheus")
    engine, outrigger = tried.engine, tried.container("outrigger")
    assert engine.health(outrigger) == "healthy"

    def ask(text):
        return engine.ask("http://127.0.0.1:8080/v1/chat/completions", question(text), content_type="application/json",
                          authorization="Bearer sk-try-out")

    def faults(toml):
        sim = engine.inspect(tried.container("sim"))["NetworkSettings"]["Networks"]["outrigger-try_default"]["IPAddress"]
        status, _, text = engine.ask(f"http://{sim}:9999/sim/faults", toml, content_type="application/toml")
        assert status < 300, text

    def has_redis():
        return "\noutrigger_redis_up 1\n" in engine.ask("http://127.0.0.1:9090/metrics")[2]  # not the words that explain it

    faults("# none\n")  # its own would meet this test at times
    eventually(has_redis, 20, "it does not find Redis")  # what is answered before is kept in memory only
    answers = [ask("What does it cost?") for _ in range(2)]
    assert [status for status, _, _ in answers] == [200, 200], answers
    assert [headers["x-outrigger-cache"] for _, headers, _ in answers] == ["miss", "hit"]
    said = [json.loads(text)["choices"] for _, _, text in answers]
    assert said[0] == said[1]

    def prometheus(path):
        status, _, text = engine.ask("http://127.0.0.1:9091/api/v1/" + path)
        return json.loads(text)["data"] if status == 200 else {}

    eventually(lambda: [sample["value"][1] for sample in prometheus("query?query=up").get("result", [])] == ["1"], 40,
               lambda: f"Prometheus does not see it: {prometheus('targets')}")
    assert [rule["name"] for group in prometheus("rules")["groups"] for rule in group["rules"]].count("OutriggerAbsent") == 1
    assert engine.ask("http://127.0.0.1:9090/api/status", authorization="Bearer try-out")[0] == 200
    assert engine.ask("http://127.0.0.1:9090/api/status")[0] == 401

    asked = [f"What does number {number} cost?" for number in range(8)]
    assert [ask(text)[0] for text in asked] == [200] * len(asked)
    engine.kill(outrigger)
    eventually(lambda: engine.inspect(outrigger)["RestartCount"] == 1, 20, "nobody started it again")
    eventually(has_redis, 20, "it does not find Redis again")
    engine.wait_healthy(outrigger)
    again = [ask(text) for text in asked]
    assert [status for status, _, _ in again] == [200] * len(asked)
    # Its own memory is gone, Redis' is not. On a busy machine one or the other does not come or go within Redis' 20 ms.
    verdicts = [headers["x-outrigger-cache"] for _, headers, _ in again]
    assert "hit" in verdicts, verdicts

    # Told to stop while an answer is under way: the answer comes to its end.
    tried.compose("stop", "--timeout", "1", "visitors")
    faults('[[fault]]\nfirst_token = "4s"\n')
    waiting = subprocess.Popen(
        ["nsenter", "--target", engine.init, "--net", "curl", "--silent", "--include", "--max-time", "30", "--header",
         "content-type: application/json", "--header", "authorization: Bearer sk-try-out", "--data-binary", question("And to Iceland?"),
         "http://127.0.0.1:8080/v1/chat/completions"], stdout=subprocess.PIPE, text=True)
    try:
        def under_way():
            metrics = engine.ask("http://127.0.0.1:9090/metrics")[2]
            return sum(map(float, re.findall(r"^outrigger_in_flight\S* (\S+)$", metrics, re.M)))

        eventually(under_way, 5, "it never began")
        engine.docker("stop", "--time", "20", outrigger)
        assert answer(waiting.communicate(timeout=10)[0])[0] == 200
        state = engine.inspect(outrigger)["State"]
        assert state["ExitCode"] == 0 and state["Status"] == "exited"
    finally:
        waiting.kill()
        waiting.wait()


def beside_dify(folder, layout, files, *more):
    """Dify's folder with the add-on, and a provider on the same network instead of OpenAI and Anthropic."""
    shutil.copytree(HERE / "dify" / layout, folder)
    (folder / "provider.yaml").write_text(
        'services:\n  provider: { image: outrigger-sim:0.1.0, command: [--listen, "0.0.0.0:9999"] }  # without the faults of its file\n')
    add(folder, f"{files}:provider.yaml", *more)
    for name in ("outrigger.toml", *more):
        text = (folder / name).read_text()
        for provider in ("https://api.openai.com", "https://api.anthropic.com"):
            text = text.replace(provider, "http://provider:9999")
        (folder / name).write_text(text)


def from_the_daemon(dify, text, model="gpt-4o-mini"):
    """As a plugin of Dify's does: from within the daemon's container, to the base URL in its environment."""
    url, path = ("$ANTHROPIC_BASE_URL", "/v1/messages") if model.startswith("claude") else ("$OPENAI_BASE_URL", "/chat/completions")
    call = (f'curl --silent --include --max-time 20 --header "content-type: application/json" --header "authorization: Bearer sk-of-dify" '
            f'--header "x-api-key: sk-of-dify" --header "anthropic-version: 2023-06-01" --data-binary "$0" "{url}{path}"')
    body = question(text, model=model, max_tokens=60)
    return answer(dify.compose("exec", "-T", "plugin_daemon", "sh", "-c", call, body, check=False).stdout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_beside_dify_in_an_engine(stack, tmp_path, layout):
    beside_dify(tmp_path / "docker", layout, ADDON)
    dify = stack(tmp_path / "docker", "plugin_daemon", "redis", "provider")
    assert dify.engine.health(dify.container("outrigger")) == "healthy"
    answers = [from_the_daemon(dify, "How do I return goods?") for _ in range(2)]
    assert [status for status, _, _ in answers] == [200, 200], answers
    assert [headers["x-outrigger-cache"] for _, headers, _ in answers] == ["miss", "hit"]
    status, headers, text = from_the_daemon(dify, "How do I return goods?", "claude-sonnet-4")
    assert status == 200 and json.loads(text)["type"] == "message" and headers["x-outrigger-served-by"].startswith("anthropic:")
    # In Dify's Redis, in the database that Dify leaves free, by Dify's password.
    sizes = [dify.compose("exec", "-T", "redis", "redis-cli", "--no-auth-warning", "-a", "of-dify", "-n", str(n), "dbsize").stdout
             for n in (5, 0, 1, 2)]
    assert int(sizes[0]) > 0 and [int(size) for size in sizes[1:]] == [0, 0, 0]


def test_the_way_around_in_an_engine(stack, tmp_path):
    """While Outrigger is away calls go to the provider; and nobody has to do anything when it is there again."""
    extra = ["docker-compose.outrigger-failopen.yaml", "outrigger-failopen.conf"]
    beside_dify(tmp_path / "docker", "many-envs", f"{ADDON}:{extra[0]}", *extra)
    dify = stack(tmp_path / "docker", "plugin_daemon", "redis", "provider")

    def asked(text="When do you open?"):
        status, headers, _ = from_the_daemon(dify, text)
        return headers.get("x-outrigger-cache") if status == 200 else f"status {status}"

    assert [asked(), asked()] == ["miss", "hit"]
    dify.compose("stop", "--timeout", "10", "outrigger")
    assert [asked(), asked("Anything else?")] == ["bypass; reason=down"] * 2
    eventually(lambda: from_the_daemon(dify, "When do you open?", "claude-sonnet-4")[1].get("x-outrigger-cache") == "bypass; reason=down",
               20, "Anthropic's provider is not asked while Outrigger is away")
    dify.compose("start", "outrigger")
    eventually(lambda: asked() == "hit", 30, "the gate does not find Outrigger again")
