"""A Docker engine of the tests' own, and the images that are tried in it.

It has a network, mounts and process ids of its own, so its bridge, its rules of iptables, its published ports and whatever it leaves
behind concern nobody else, and all of it ends with its first process, even when pytest is killed. The engine of the machine is never
asked by itself: the stacks publish fixed ports and put images of their own under other people's names (redis:7.2-alpine). With
OUTRIGGER_ENGINE=machine the image, under a name that nobody else has, is tried in that one (DOCKER_HOST, or Docker's default), and the
stacks are not.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time

import pytest

from conftest import ROOT, need, run, wire

# Where tests/deploy/tools unpacks one that is not installed.
UNPACKED = ROOT / "build/deploy/tools/engine"

# First process of the namespaces: what is still there when it ends is killed by the kernel. Images and containers are in memory, some
# 500 MB: that is quicker beside other tests, and nobody has to clean up.
INIT = """
mount --make-rprivate / && mount -t proc proc /proc && ip link set lo up || exit 1
[ -z "$IN_MEMORY" ] || { mkdir "$IN_MEMORY" && mount -t tmpfs -o size=3g,mode=711 tmpfs "$IN_MEMORY"; } || exit 1
"$@" &
engine=$!
while kill -0 $engine 2>/dev/null; do wait $engine; done
"""


def eventually(condition, seconds, what):
    """The first value of `condition` that is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.1)


class Machine:
    """The engine that the machine has. Containers and images are the caller's to remove."""
    private = False
    name = f"outrigger-test-{os.getpid()}"

    def __init__(self):
        self.environment = {**os.environ, "DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"}

    def docker(self, *words, check=True, **named):
        return run("docker", *words, check=check, env=self.environment, **named)

    def inspect(self, thing):
        return json.loads(self.docker("inspect", thing).stdout)[0]

    def health(self, container):
        return self.inspect(container)["State"].get("Health", {}).get("Status")

    def wait_healthy(self, container, seconds=60):
        eventually(lambda: self.health(container) == "healthy", seconds,
                   lambda: f"{container} is {self.health(container)}: {self.docker('logs', container).stderr}")

    def build(self, directory, *words):
        """Its directory is the context, with a Dockerfile in it."""
        return self.docker("build", "--quiet", *words, directory, timeout=300)

    def close(self):
        pass


class Engine(Machine):
    """`network`: of its own, with a bridge. Without it: the machine's, of which nothing is changed (docker build --network host)."""
    private = True

    def __init__(self, network=True):
        super().__init__()
        for variable, place in (("PATH", "usr/sbin"), ("PATH", "usr/bin"), ("LD_LIBRARY_PATH", f"usr/lib/{os.uname().machine}-linux-gnu"),
                                ("LD_LIBRARY_PATH", f"lib/{os.uname().machine}-linux-gnu")):
            if UNPACKED.exists():
                self.environment[variable] = self.environment.get(variable, "") + f":{UNPACKED / place}"
        if UNPACKED.exists():
            self.environment["XTABLES_LIBDIR"] = str(UNPACKED / f"usr/lib/{os.uname().machine}-linux-gnu/xtables")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-engine-"))
        self.cgroup = self.directory.name
        socket = f"unix://{self.directory}/sock"
        options = [] if network else ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        self.process = wire.Process(
            ["setpriv", "--pdeathsig", "KILL", "unshare", *(["--net"] if network else []), "--mount", "--pid", "--fork", "--kill-child",
             "bash", "-c", INIT, "init", "dockerd", "--data-root", self.directory / "data", "--exec-root", self.directory / "exec",
             "--pidfile", self.directory / "pid", "--host", socket, "--exec-opt", "native.cgroupdriver=cgroupfs",
             "--cgroup-parent", "/" + self.cgroup, *options], self.directory / "log",
            env={**self.environment, "IN_MEMORY": str(self.directory / "data") if network else ""})
        self.environment["DOCKER_HOST"] = socket
        try:
            eventually(lambda: not self.process.alive() or self.docker("info", check=False).returncode == 0, 60, "no answer in 60 s")
            assert self.process.alive(), self.process.text()[-600:]
        except AssertionError as error:
            self.close()
            pytest.skip(f"no Docker engine starts here: {error}")
        self.init = self.children()[0]

    def children(self):
        return pathlib.Path(f"/proc/{self.process.child.pid}/task/{self.process.child.pid}/children").read_text().split()

    def inside(self, *words, check=True, **named):
        """A program of the machine's beside the engine: in its network, with its process ids."""
        return run("nsenter", "--target", self.init, "--net", "--mount", "--pid", *words, check=check, **named)

    def ask(self, url, body=None, **headers):
        """By curl, since the network is another one: (status, headers, text); status 0 when nobody answers."""
        words = ["curl", "--silent", "--include", "--max-time", "30", url, *(["--data-binary", body] if body else [])]
        for name, value in headers.items():
            words += ["--header", f"{name.replace('_', '-')}: {value}"]
        return answer(self.inside(*words, check=False).stdout)

    def kill(self, container):
        """As the kernel would for want of memory; `docker kill` counts as a wish of the owner's, and no policy acts on that."""
        self.inside("kill", "-KILL", self.inspect(container)["State"]["Pid"])

    def left(self):
        """What still is there of an engine that is closed."""
        found = [f"mount {line.split()[1]}" for line in open("/proc/mounts") if str(self.directory) in line]
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if str(self.directory) in (process / "cmdline").read_text(errors="replace"):
                    found.append(f"process {process.name}")
            except OSError:
                pass  # it ended
        # Each process of a container's is in such a group.
        found += [str(path) for path in cgroups(self.cgroup)]
        return found + ([str(self.directory)] if self.directory.exists() else [])

    def close(self):
        if self.process.alive():
            for child in self.children():
                os.kill(int(child), signal.SIGKILL)
            self.process.child.wait(60)  # which is when the last process in there has ended
        self.process.stop()
        for _ in range(50):
            for top in cgroups(self.cgroup):
                for path, _, _ in os.walk(top, topdown=False):
                    try:
                        os.rmdir(path)
                    except OSError:
                        pass  # its last process is just ending
            if not cgroups(self.cgroup):
                break
            time.sleep(0.1)
        shutil.rmtree(self.directory, ignore_errors=True)


def cgroups(name):
    top = pathlib.Path("/sys/fs/cgroup")
    return [path for path in [top / name, *top.glob(f"*/{name}")] if path.exists()]


def answer(text):
    """What curl --include printed."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    lines = head.splitlines() or ["none 0"]
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]), headers, body


def start_engine(network=True):
    need("docker")
    if os.geteuid() != 0:
        pytest.skip("only root can start a Docker engine; OUTRIGGER_ENGINE=machine tries the image in the one that runs")
    if not (UNPACKED / "usr/sbin/dockerd").exists():
        for program in ("dockerd", "containerd", "runc", "iptables"):
            need(program)
    for program in ("unshare", "nsenter", "setpriv", "ip", "curl"):
        need(program)
    return Engine(network)


@pytest.fixture(scope="session")
def engine():
    if os.environ.get("OUTRIGGER_ENGINE") == "machine":
        need("docker")
        found = Machine()
        if found.docker("info", check=False).returncode != 0:
            pytest.skip("OUTRIGGER_ENGINE=machine, but no engine answers; look at DOCKER_HOST")
        yield found
        return
    found = start_engine()
    yield found
    found.close()
    assert found.left() == []


def lay_out(directory):
    """What the Dockerfile's build stage would have in the end, by its own commands, of the binaries that are built."""
    laying, copied = re.search(r"^COPY deploy/rootfs.*\nRUN ((?:.*\\\n)*.*)\nCOPY (.*)\n\n\nFROM scratch AS sim$",
                               (ROOT / "deploy/Dockerfile").read_text(), re.M).groups()
    for old, new in ((" /outrigger", f" {directory}/outrigger"), (" /sim", f" {directory}/sim"), ("build/release/", f"{wire.BUILD}/")):
        laying, copied = laying.replace(old, new), copied.replace(old, new)
    run("bash", "-c", f"set -e; {laying}\ninstall -D -m 644 {copied}", cwd=ROOT)


def pack(engine, directory, tag):
    """A directory as an image."""
    run("bash", "-o", "pipefail", "-c", 'tar -C "$0" -c . | docker import - "$1"', directory, tag, env=engine.environment, timeout=300)


def build_whole(engine, tmp_path_factory):
    """The Dockerfile from its first line to its last, in an engine that is on the machine's network, and from there into `engine`."""
    print("\ndeploy: building the whole Dockerfile (many minutes)", flush=True)
    builder = start_engine(network=False) if engine.private else engine
    try:
        base = "debian:13-slim"
        if builder.docker("pull", base, check=False, timeout=600).returncode != 0:
            tree = tmp_path_factory.mktemp("base")
            run(need("debootstrap"), "--variant=minbase", "trixie", tree, timeout=1200)
            pack(builder, tree, base)
            shutil.rmtree(tree)
        context = "git ls-files -z | tar --null --files-from - -c | docker build --network host -f deploy/Dockerfile --build-arg REVISION=test"
        for target in ("sim", "outrigger"):
            run("bash", "-o", "pipefail", "-c", f"{context} --target {target} -t {engine.name}:{target} -", cwd=ROOT,
                env=builder.environment, timeout=3600)
            if builder is not engine:
                archive = builder.directory / "image.tar"
                builder.docker("save", "-o", archive, f"{engine.name}:{target}")
                engine.docker("load", "-i", archive)
    finally:
        if builder is not engine:
            builder.close()


@pytest.fixture(scope="session")
def images(engine, tmp_path_factory):
    """The names of Outrigger's image and of the simulated provider's, by the stages of deploy/Dockerfile that make them."""
    if os.environ.get("OUTRIGGER_IMAGE") == "build":
        build_whole(engine, tmp_path_factory)
    else:
        if not shutil.which("dpkg-query"):
            pytest.skip("not a Debian: deploy/rootfs asks dpkg what a library belongs to")
        directory, text = tmp_path_factory.mktemp("built"), (ROOT / "deploy/Dockerfile").read_text()
        lay_out(directory)
        pack(engine, directory, f"{engine.name}:built")
        shutil.rmtree(directory)
        directory.mkdir()
        (directory / "Dockerfile").write_text(f"FROM {engine.name}:built AS build\n{text[text.index('FROM scratch AS sim'):]}")
        for target in ("sim", "outrigger"):
            engine.build(directory, "--target", target, "--tag", f"{engine.name}:{target}", "--build-arg", "REVISION=test")
    yield {target: f"{engine.name}:{target}" for target in ("sim", "outrigger")}
    if not engine.private:
        engine.docker("rmi", f"{engine.name}:sim", f"{engine.name}:outrigger", f"{engine.name}:built", check=False)
