"""The image: its root file system by itself, then as a whole in a Docker engine; the Debian package, the unit."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from conftest import OUTRIGGER, ROOT, need, run, wire
from engine import start_engine

SCRIPTS = [ROOT / "deploy/rootfs", ROOT / "deploy/kustomize/sidecar/post-render", *(ROOT / "deploy/deb").glob("p*[!e]"),
           *(ROOT / "helm/outrigger/files/tests").glob("*.sh"), ROOT / "deploy/compose/try/visitors.sh", ROOT / "tests/deploy/run",
           ROOT / "tests/deploy/tools"]


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    if not shutil.which("dpkg-query"):
        pytest.skip("not a Debian: deploy/rootfs asks dpkg what a library belongs to")
    directory = tmp_path_factory.mktemp("image") / "root"
    run(ROOT / "deploy/rootfs", directory, OUTRIGGER)
    return directory


def test_scripts():
    done = run(need("shellcheck"), "--severity=warning", *SCRIPTS, check=False)
    assert len(SCRIPTS) > 8 and done.returncode == 0, done.stdout


def test_nothing_in_the_image_but_what_it_needs(root, capsys):
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files) / 1e6
    with capsys.disabled():
        print(f"\ndeploy: the image's files are {size:.1f} MB")
    assert size < 30
    programs = [path.name for path in files if path.parent.name == "bin"]
    assert programs == ["outrigger"]
    assert (root / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100_000
    assert (root / "usr/share/zoneinfo/Asia/Shanghai").exists()
    packages = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "ca-certificates", "tzdata"} <= packages
    assert len(packages) > 10 and all("Version: " in (root / "var/lib/dpkg/status.d" / name).read_text() for name in packages)


def test_it_runs_there_as_nobody_and_writes_nothing(root, tmp_path, start):
    """In that root, read-only, as the image's user: what the Dockerfile's last lines say, by chroot instead of an engine."""
    if os.geteuid() != 0 or run("unshare", "--mount", "true", check=False).returncode != 0:
        pytest.skip("a root file system can be tried by root with mount namespaces only")
    config = root / "etc/outrigger/outrigger.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text((ROOT / "deploy/outrigger.toml").read_text() + '[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n')
    inside = ["chroot", "--userspec=65532:65532", str(root), "/usr/bin/outrigger"]
    assert run(*inside, "version").stdout.startswith("outrigger ")
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ! touch "$0/x" 2>/dev/null && exec "$@"'
    child = wire.Process(["unshare", "--mount", "bash", "-c", script, root, *inside, "serve", "--config", "/etc/outrigger/outrigger.toml"],
                         tmp_path / "log")
    try:
        ports = child.wait_for(r"ready: llm door on 127\.0\.0\.1:(\d+), admin door on 127\.0\.0\.1:(\d+)")
        assert requests.get(f"http://127.0.0.1:{ports.group(2)}/readyz", timeout=5).status_code == 200
        status = open(f"/proc/{child.child.pid}/status").read()
        assert re.search(r"^Uid:\s+65532\s+65532", status, re.M)
        # HEALTHCHECK
        health = root / "tmp/health.toml"
        health.write_text(config.read_text().replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{ports.group(2)}"'))
        assert run(*inside, "health", "--config", "/tmp/health.toml").stdout == "ready\n"
    finally:
        child.stop()
    assert run(*inside, "health", "--config", "/tmp/health.toml", check=False).returncode == 1


def test_the_dockerfile_copies_what_is_there_and_lets_through():
    text = (ROOT / "deploy/Dockerfile").read_text()
    allowed = [line[1:] for line in (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.M) for word in line.split()[:-1]]
    assert set(copied) == set(allowed) and all((ROOT / name).exists() for name in copied)
    assert text.index("AS sim") < text.index("AS outrigger")  # the last is what `docker build` makes
    assert "USER 65532:65532" in text.split("AS outrigger")[1] and "HEALTHCHECK" in text


def test_the_build_is_configured_from_what_the_dockerfile_copies(tmp_path):
    text = (ROOT / "deploy/Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text.split("RUN cmake")[0], re.M):
        *names, place = line.split()
        for name in names:
            target = tmp_path / place if len(names) == 1 and not place.endswith("/") else tmp_path / place / os.path.basename(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    configure = re.search(r"^RUN (cmake --preset [^&]+)&&", text, re.M).group(1)
    done = run(*configure.split(), cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


def test_an_engine_of_its_own_leaves_nothing(tmp_path):
    """With a container that runs and would be started again."""
    before = run("ip", "-brief", "link").stdout
    own = start_engine()
    try:
        (tmp_path / "root").mkdir()
        run(ROOT / "deploy/rootfs", tmp_path / "root", "/bin/sleep")
        (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY root /\nCMD ["sleep", "3600"]\n')
        own.build(tmp_path, "--tag", "sleeper")
        own.docker("run", "--detach", "--name", "sleeper", "--restart", "always", "--publish", "127.0.0.1:80:80", "sleeper")
        assert "sleep" in own.docker("top", "sleeper").stdout and "docker0" in own.inside("ip", "-brief", "link").stdout
        assert len(own.left()) > 3  # it sees what there is
        assert "docker0" not in run("ip", "-brief", "link").stdout.replace(before, "")
    finally:
        own.close()
    assert own.left() == []


def test_the_image_in_an_engine(engine, images, tmp_path, capsys):
    """The Dockerfile's last stage: user, entry point, health, signal and labels are its own; read-only, without any capability."""
    image, name = engine.inspect(images["outrigger"]), f"{engine.name}-image"
    with capsys.disabled():
        print(f"\ndeploy: the image has {image['Size'] / 1e6:.1f} MB")
    assert image["Size"] < 30e6
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in image["Config"]["Labels"].items()}
    assert labels["title"] == "outrigger" and labels["licenses"] == "Apache-2.0" and labels["revision"] == "test"
    version = engine.docker("run", "--rm", "--network", "none", images["outrigger"], "version").stdout
    assert version.startswith(f"outrigger {labels['version']}")
    engine.docker("run", "--detach", "--name", name, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
                  "--network", "none", images["outrigger"])
    try:
        engine.wait_healthy(name)
        assert re.search(r"\b65532\b", engine.docker("top", name, "-o", "pid,uid").stdout)
        if engine.private:
            pid = engine.inspect(name)["State"]["Pid"]
            status = engine.inside("cat", f"/proc/{pid}/status").stdout
            assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
            # Even root cannot, through the container's own mounts; and its user cannot make them others.
            refused = engine.inside("touch", f"/proc/{pid}/root/tmp/x", check=False)
            assert refused.returncode != 0 and "Read-only file system" in refused.stderr
        (tmp_path / "x").write_text("x")
        assert engine.docker("cp", tmp_path / "x", f"{name}:/tmp/x", check=False).returncode != 0
        engine.docker("stop", "--time", "35", name)
        state, log = engine.inspect(name)["State"], engine.docker("logs", name).stderr
        assert state["ExitCode"] == 0 and not state["OOMKilled"], log
        assert "draining" in log
    finally:
        engine.docker("rm", "--force", name, check=False)


def test_the_unit_file(tmp_path):
    need("systemd-analyze")
    unit = (ROOT / "deploy/systemd/outrigger.service").read_text()
    # It is started again however often it has failed: five times in ten seconds is where systemd gives up by default.
    sections = dict(re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", unit, re.M | re.S))
    assert "\nRestart=always\n" in sections["Service"] and re.search("^StartLimitIntervalSec=0$", sections["Unit"], re.M)
    # Verified with a program that is there.
    (tmp_path / "outrigger.service").write_text(unit.replace("/usr/bin/outrigger", str(OUTRIGGER)))
    done = run("systemd-analyze", "verify", "--man=no", tmp_path / "outrigger.service", check=False)
    assert done.returncode == 0 and "outrigger.service" not in done.stderr, done.stderr
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", tmp_path / "outrigger.service", check=False)
    assert done.returncode == 0, done.stdout[-300:]


def deb_build():
    """A build directory that cpack can pack."""
    need("cpack")
    if not (wire.BUILD / "CPackConfig.cmake").exists():
        pytest.skip(f"{wire.BUILD} is configured without OUTRIGGER_DEB")
    return wire.BUILD


def test_the_recipe_for_the_debian_package_installs_what_it_needs():
    recipe = re.search(r"^\./scripts/deps ([a-z ]+) && cmake .*cpack", (ROOT / "deploy/README.md").read_text(), re.M)
    deps = (ROOT / "scripts/deps").read_text()
    packages = {package for group in recipe.group(1).split() for package in re.search(rf"^{group}_packages=\(([^)]+)\)", deps, re.M).group(1).split()}
    assert {"g++", "cmake", "file", "dpkg-dev"} <= packages


@pytest.mark.parametrize("missing", ["dpkg-shlibdeps", "file"])
def test_without_its_tools_no_debian_package_is_made(missing, tmp_path):
    """CPack itself goes on without dpkg-shlibdeps, and the package would not name its libraries."""
    build = deb_build()
    (tmp_path / "bin").mkdir()
    for program in {path.name: path for place in ("/bin", "/usr/bin") for path in Path(place).iterdir() if path.name != missing}.values():
        (tmp_path / "bin" / program.name).symlink_to(program)
    done = run(need("cpack"), "-G", "DEB", "-B", tmp_path / "package", cwd=build, check=False, env={"PATH": str(tmp_path / "bin")})
    assert done.returncode != 0 and f"{missing} is not installed" in done.stderr and "scripts/deps build deb" in done.stderr
    assert list(tmp_path.glob("package/*.deb")) == []


@pytest.mark.parametrize("script, argument", [("postinst", "configure"), ("prerm", "remove"), ("postrm", "purge")])
def test_a_unit_that_does_not_start_leaves_the_package_installed(script, argument, tmp_path):
    """With a systemctl that fails, and in place of the machine's folders those of the test."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "systemctl").write_text('#!/bin/sh\necho "$*" >>"$0.log"\n[ "$1" = daemon-reload ]\n')
    (tmp_path / "systemctl").chmod(0o755)
    text = re.sub(r"(?<= )/(run|etc|var)/", rf"{tmp_path}/\1/", (ROOT / "deploy/deb" / script).read_text())
    run("sh", "-c", text, script, argument, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert (tmp_path / "systemctl.log").exists()


def test_the_debian_package(tmp_path):
    build = deb_build()
    run("cpack", "-G", "DEB", "-B", tmp_path, cwd=build)
    package = next(tmp_path.glob("outrigger_*.deb"))
    fields = run("dpkg-deb", "--field", package).stdout
    assert "Package: outrigger\n" in fields and "libssl3" in fields and "ca-certificates" in fields
    run("dpkg-deb", "--raw-extract", package, tmp_path / "x")
    assert (tmp_path / "x/DEBIAN/conffiles").read_text() == "/etc/logrotate.d/outrigger\n/etc/outrigger/outrigger.toml\n"
    assert run(tmp_path / "x/usr/bin/outrigger", "check", "--config", tmp_path / "x/etc/outrigger/outrigger.toml").stderr == ""
    assert (tmp_path / "x/usr/lib/systemd/system/outrigger.service").read_text() == (ROOT / "deploy/systemd/outrigger.service").read_text()
    for script in ("postinst", "prerm", "postrm"):
        assert os.access(tmp_path / "x/DEBIAN" / script, os.X_OK)
