"""What an operator does while requests come in: reload, rotate, replace certificates, stop; and what the program says at its start."""
import hashlib
import http.client
import json
import os
import re
import select
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time

import pytest
import requests

from conftest import BUILD, Outrigger, Process, Sim, hear_all, text_of, upstream

PROGRAM = BUILD / "outrigger"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A certificate authority of its own, and what it issues."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.root = directory / f"{name}.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", self.root)

    def key(self, name):
        return self.directory / f"{self.name}-{name}.key"

    def issue(self, name, days=30):
        """(certificate, key), as PEM texts."""
        request, cert = self.directory / "request.pem", self.directory / "issued.pem"
        names = self.directory / "names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", self.key(name), "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.root, "-CAkey", self.key(self.name), "-CAcreateserial",
                "-days", days, "-extfile", names, "-out", cert)
        return cert.read_text(), self.key(name).read_text()


def replace(path, text):
    """As an editor, or whoever renews certificates, does: never half a file."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


class Load:
    """Threads that ask one question after another until told to stop; every answer that is not right is kept."""

    def __init__(self, threads, ask):
        self.asked, self.wrong, self.stopped = 0, [], False
        self.lock = threading.Lock()
        self.ask = ask
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        while not self.stopped:
            try:
                problem = self.ask(number)
            except Exception as error:  # whatever it was, a client saw it
                problem = repr(error)
            with self.lock:
                self.asked += 1
                if problem:
                    self.wrong.append(problem)

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join()


def asker(proxy):
    """Asks over one connection a thread; a connection that was closed between two answers is opened again, as pools do."""
    links = threading.local()

    def ask(number):
        links.count = getattr(links, "count", 0) + 1
        body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"{number} {links.count % 50}"}]})
        if not hasattr(links, "link"):
            links.link = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
        links.link.request("POST", "/v1/chat/completions", body,
                           {"content-type": "application/json", "authorization": "Bearer sk-test"})
        answer = links.link.getresponse()
        said = answer.read()
        if answer.status != 200:
            return f"{answer.status} {said[:200]}"
        return None if json.loads(said)["choices"][0]["message"]["content"] else "an empty answer"

    return ask


def test_10000_requests_and_50_reloads_lose_nothing(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim))
    base = proxy.config.read_text()
    load = Load(8, asker(proxy))
    refused = 0
    try:
        for i in range(50):
            invalid = i % 5 == 4
            text = base + ("[cache]\nttl = \"soon\"\n" if invalid else f'[cache]\nttl = "{i + 1}m"\nepoch = "{i // 10}"\n')
            proxy.config.write_text(text)
            if i % 2:
                answer = requests.post(proxy.admin + "/api/reload", timeout=10)
                assert answer.ok != invalid, answer.text
                refused += invalid
            else:
                proxy.send_signal(signal.SIGHUP)
            time.sleep(0.04)
        deadline = time.monotonic() + 60
        while load.asked < 10000 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        load.stop()
    assert load.asked >= 10000 and load.wrong == []
    log = proxy.text()
    assert refused == 5 and log.count("the old one stays in force") >= refused
    assert log.count("configuration reloaded") >= 20
    # Signals that come close together are one; each time the log says from what to what.
    assert re.search(r'changed: \[cache\] ttl: "\d+m" is now "49m"', log)
    assert proxy.alive()


def test_a_configmap_whose_link_is_swapped_is_taken_up(start, tmp_path):
    """The kubelet writes a new folder and moves the link ..data to it; the file's own path never changes."""
    sim = start(Sim)
    text = upstream(sim) + '[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'
    volume = tmp_path / "volume"
    volume.mkdir()

    def publish(version, content):
        folder = volume / f"..{version}"
        folder.mkdir()
        (folder / "outrigger.toml").write_text(content)
        fresh = volume / "..data_tmp"
        fresh.symlink_to(folder.name)
        os.rename(fresh, volume / "..data")

    publish("one", text)
    (volume / "outrigger.toml").symlink_to("..data/outrigger.toml")
    proxy = Process([PROGRAM, "serve", "--config", volume / "outrigger.toml"], tmp_path / "log")
    try:
        proxy.wait_for("is ready")
        publish("two", text + '[[route]]\npath = "/faq"\n')
        proxy.wait_for(r"changed: \[\[route\]\] `/faq` is new")
        publish("three", text + "[[route]]\npath = 5\n")
        proxy.wait_for("the old one stays in force")
        publish("four", text)
        proxy.wait_for(r"changed: \[\[route\]\] `/faq` is gone")
    finally:
        assert proxy.stop() == 0


def test_a_stop_under_load_cuts_no_stream(start):
    sim = start(Sim, 'first_token = "50ms"\nbetween_tokens = "20ms"\ntokens = 60\n')
    proxy = start(Outrigger, 'drain = "20s"\ndrain_delay = "700ms"\n' + upstream(sim))
    answers, lock = [], threading.Lock()

    def stream(i):
        answer = proxy.chat(f"question {i}", stream=True)
        said = answer.content
        with lock:
            answers.append(said)

    threads = [threading.Thread(target=stream, args=(i,)) for i in range(60)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for("not ready any more; requests are still taken for 0.7 s")
    told = time.monotonic()
    assert requests.get(proxy.admin + "/readyz", timeout=5).status_code == 503
    late = proxy.chat("who did not know yet")
    if time.monotonic() - told < 0.5:  # on a machine that keeps up
        assert late.status_code == 200
    proxy.wait_for("draining: ")
    with pytest.raises(requests.ConnectionError):
        requests.get(proxy.url + "/v1/models", timeout=2)
    for thread in threads:
        thread.join()
    assert proxy.child.wait(10) == 0
    assert len(answers) == 60 and all(answer.endswith(b"data: [DONE]\n\n") for answer in answers)


def test_a_second_signal_ends_the_delay_and_everything(start):
    sim = start(Sim, 'first_token = "60s"\n')
    proxy = start(Outrigger, 'drain_delay = "60s"\n' + upstream(sim))
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for("requests are still taken for 60 s")
    proxy.send_signal(signal.SIGTERM)
    assert proxy.child.wait(5) == 0


class Listener(threading.Thread):
    """Hears one stream to its end."""

    def __init__(self, proxy):
        super().__init__()
        self.proxy, self.said, self.begun = proxy, b"", threading.Event()
        self.start()
        assert self.begun.wait(10)

    def run(self):
        answer = self.proxy.chat("a long story", stream=True)
        try:
            for piece in answer.iter_content(None):
                self.said += piece
                self.begun.set()
        except requests.RequestException as error:  # cut off without an end
            self.said += repr(error).encode()
        self.begun.set()


def test_a_drain_that_was_asked_for_is_not_hastened_by_the_first_signal(start):
    """As when a preStop hook drains and the kubelet sends SIGTERM then."""
    sim = start(Sim, 'first_token = "10ms"\nbetween_tokens = "20ms"\ntokens = 60\n')
    proxy = start(Outrigger, upstream(sim))
    listener = Listener(proxy)
    for _ in range(2):
        assert requests.post(proxy.admin + "/api/drain", timeout=10).status_code == 202
    proxy.wait_for("draining: 1 connections")
    proxy.send_signal(signal.SIGTERM)
    listener.join()
    assert listener.said.endswith(b"data: [DONE]\n\n"), listener.said[-300:]
    assert proxy.child.wait(10) == 0
    assert [line["status"] for line in proxy.access_log(1)] == [200] and "error" not in proxy.access_log(1)[0]


def test_a_second_signal_ends_streams_with_words(start):
    sim = start(Sim, 'first_token = "10ms"\nbetween_tokens = "200ms"\ntokens = 600\n')
    proxy = start(Outrigger, 'drain_delay = "60s"\n' + upstream(sim))
    listener = Listener(proxy)
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for("requests are still taken for 60 s")
    proxy.send_signal(signal.SIGTERM)
    listener.join()
    assert proxy.child.wait(5) == 0
    assert b'"draining"' in listener.said and listener.said.endswith(b"\n\n"), listener.said[-300:]
    assert [line["error"] for line in proxy.access_log(1)] == ["draining"]


def test_certificates_are_replaced_under_load(start, tmp_path):
    """Cert and key are two files, so for a moment they do not fit: then the old pair is shown on."""
    sim = start(Sim)
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    cert, key = tmp_path / "door.crt", tmp_path / "door.key"
    both = tmp_path / "both.pem"
    both.write_text(first.root.read_text() + second.root.read_text())
    for path, text in zip((cert, key), first.issue("door")):
        path.write_text(text)
    proxy = start(Outrigger, upstream(sim) + f"""
[listen]
llm = "127.0.0.1:0"
admin = "127.0.0.1:0"
tls = {{ cert = "file:{cert}", key = "file:{key}" }}
""")
    trust = ssl.create_default_context(cafile=both)

    def issuer():
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain:
            with trust.wrap_socket(plain, server_hostname="localhost") as link:
                link.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-test\r\n"
                             b"Connection: close\r\n\r\n")
                said = hear_all(link)
                assert said.startswith(b"HTTP/1.1 200"), said[:200]
                return dict(pair[0] for pair in link.getpeercert()["issuer"])["commonName"] if link.getpeercert() else ""

    seen = set()

    def ask(_):
        seen.add(issuer())

    assert issuer() == "first"
    # One connection from before goes on to the end.
    old = ssl.create_default_context(cafile=first.root).wrap_socket(
        socket.create_connection(("127.0.0.1", proxy.port), timeout=20), server_hostname="localhost")
    load = Load(4, ask)
    try:
        for authority in (second, first, second):
            fresh = authority.issue("door")
            replace(cert, fresh[0])
            time.sleep(0.3)
            replace(key, fresh[1])
            deadline = time.monotonic() + 15
            while issuer() != authority.name:
                assert time.monotonic() < deadline, proxy.text()
                time.sleep(0.05)
    finally:
        load.stop()
    assert load.wrong == [] and load.asked > 50 and {"first", "second"} <= seen
    old.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-test\r\nConnection: close\r\n\r\n")
    assert hear_all(old).startswith(b"HTTP/1.1 200")
    old.close()
    assert "PRIVATE KEY" not in proxy.text()


def test_a_provider_key_is_rotated_under_load(start, tmp_path):
    sim = start(Sim)
    key = tmp_path / "key"
    key.write_text("sk-old-secret\n")
    proxy = start(Outrigger, upstream(sim, extra=f'keys = ["file:{key}"]') + '[cache]\nmode = "off"\n')
    load = Load(4, asker(proxy))
    try:
        replace(key, "sk-new-secret\n")
        proxy.wait_for("configuration reloaded")
        assert proxy.chat("after").status_code == 200
    finally:
        load.stop()
    assert load.wrong == [] and load.asked > 20
    assert proxy.chat("last").status_code == 200
    assert sim.last()["credential_sha256"] == hashlib.sha256(b"sk-new-secret").hexdigest()
    log = proxy.text()
    assert f'changed: [[upstream]] `sim` keys: what ["file:{key}"] holds has changed' in log
    assert "sk-old-secret" not in log and "sk-new-secret" not in log


def test_only_who_shows_a_certificate_comes_in(start, tmp_path):
    sim = start(Sim)
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    cert, key = ours.issue("door")
    (tmp_path / "door.pem").write_text(cert + key)
    proxy = start(Outrigger, upstream(sim) + f"""
[listen]
llm = "127.0.0.1:0"
admin = "127.0.0.1:0"
tls = {{ cert = "file:{tmp_path}/door.pem", key = "file:{tmp_path}/door.pem", client_ca = "file:{ours.root}" }}
""")

    def ask(authority):
        context = ssl.create_default_context(cafile=ours.root)
        if authority is not None:
            pair = tmp_path / "client.pem"
            pair.write_text("".join(authority.issue("client")))
            context.load_cert_chain(pair)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as link:
                link.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return link.recv(4096)

    assert ask(ours).startswith(b"HTTP/1.1 200")
    for stranger in (None, theirs):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            ask(stranger)
    assert requests.get(proxy.admin + "/readyz", timeout=5).status_code == 200
    assert sim.calls() == 1


def test_a_certificate_that_ends_soon_is_spoken_of(start, tmp_path):
    sim = start(Sim)
    cert, key = Authority(tmp_path, "ca").issue("door", days=5)
    (tmp_path / "door.pem").write_text(cert + key)
    proxy = start(Outrigger, upstream(sim) + f"""
[listen]
llm = "127.0.0.1:0"
admin = "127.0.0.1:0"
tls = {{ cert = "file:{tmp_path}/door.pem", key = "file:{tmp_path}/door.pem" }}
""")
    assert re.search(r"the certificate in \[listen\] tls expires in [45] days; put a new one into its place", proxy.text())
    left = proxy.metric("outrigger_certificate_expires_timestamp_seconds", listen="tls") - time.time()
    assert 4 * 86400 < left <= 5 * 86400 + 60
    # Whoever takes it out of the file is not warned of its end any more.
    text = proxy.config.read_text()
    proxy.config.write_text(re.sub("(?m)^tls = .*$", "", text))
    assert requests.post(proxy.admin + "/api/reload", timeout=10).ok
    assert 'listen="tls"' not in requests.get(proxy.admin + "/metrics", timeout=10).text
    proxy.config.write_text(text)
    assert requests.post(proxy.admin + "/api/reload", timeout=10).ok
    assert proxy.metric("outrigger_certificate_expires_timestamp_seconds", listen="tls") > time.time()


def test_a_certificate_that_openssl_does_not_take_is_no_trouble_with_the_address(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=door", "-keyout", key, "-out", cert)
    strict = tmp_path / "openssl.cnf"  # a system that asks for more than the usual
    strict.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nCipherString = DEFAULT:@SECLEVEL=3\n")
    config = tmp_path / "o.toml"
    pair = f'{{ cert = "file:{cert}", key = "file:{key}" }}'
    for name, door in (("tls", "llm"), ("admin_tls", "admin")):
        config.write_text(f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n{name} = {pair}\n'
                          '[[upstream]]\nname = "x"\nurl = "http://127.0.0.1:1/v1"\n')
        done = subprocess.run([PROGRAM, "serve", "--config", config], capture_output=True, timeout=20, text=True,
                              env={**os.environ, "OPENSSL_CONF": str(strict)})
        assert done.returncode == 1
        assert f"the {door} door cannot be opened: " in done.stderr and "too small" in done.stderr
        assert f"in [listen] {name}." in done.stderr and "free address" not in done.stderr


def test_doors_may_be_unix_sockets(start, tmp_path):
    sim = start(Sim)
    config = tmp_path / "unix.toml"
    config.write_text(upstream(sim) + f'[listen]\nllm = "unix:{tmp_path}/llm.sock"\nadmin = "unix:{tmp_path}/admin.sock"\n')
    # A socket that a killed process left behind is in nobody's way.
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(f"{tmp_path}/llm.sock")
    stale.close()
    proxy = Process(["/bin/sh", "-c", 'umask 0077; exec "$0" serve --config "$1"', PROGRAM, config], tmp_path / "log")

    def ask(door, request):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(f"{tmp_path}/{door}.sock")
            link.sendall(request)
            return hear_all(link)

    try:
        proxy.wait_for("is ready")
        body = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
        question = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-test\r\nConnection: close"
                    b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        assert b"x-outrigger-cache: miss" in ask("llm", question).lower()
        assert b"x-outrigger-cache: hit" in ask("llm", question).lower()
        # The unit's UMask=0077 would keep out whoever is not root; who may come is a matter of the group.
        assert stat.S_IMODE(os.stat(f"{tmp_path}/llm.sock").st_mode) == 0o660
        status = ask("admin", b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 200")
        done = subprocess.run([PROGRAM, "health", "--config", config], capture_output=True, timeout=10)
        assert done.returncode == 0, done.stderr
    finally:
        assert proxy.stop() == 0
    assert not (tmp_path / "llm.sock").exists() and not (tmp_path / "admin.sock").exists()
    done = subprocess.run([PROGRAM, "health", "--config", config], capture_output=True, timeout=10)
    assert done.returncode == 1 and b"not ready" in done.stderr


def test_a_door_never_takes_the_place_of_a_file(start, tmp_path):
    sim = start(Sim)
    notes = tmp_path / "notes"
    notes.write_text("not to be lost\n")
    config = tmp_path / "unix.toml"
    config.write_text(upstream(sim) + f'[listen]\nllm = "unix:{notes}"\nadmin = "127.0.0.1:0"\n')
    for command in ("check", "serve"):
        done = subprocess.run([PROGRAM, command, "--config", config], capture_output=True, timeout=10)
        assert done.returncode == 1, command
        assert re.search(rb"unix.toml:\d+:\d+: .*`llm`.* is no socket", done.stderr), done.stderr
    assert notes.read_text() == "not to be lost\n"


def test_the_access_log_is_opened_again_and_may_move(start, tmp_path):
    sim = start(Sim)
    log, rotated, other = tmp_path / "access.log", tmp_path / "access.log.1", tmp_path / "other.log"
    proxy = start(Outrigger, upstream(sim) + f'[log]\naccess = "{log}"\n')

    def lines(path, count):
        deadline = time.monotonic() + 5
        while not path.exists() or len(path.read_text().splitlines()) < count:
            assert time.monotonic() < deadline, f"{path}: {path.read_text() if path.exists() else 'not there'}"
            time.sleep(0.02)
        return path.read_text().splitlines()

    proxy.chat("one")
    lines(log, 1)
    log.rename(rotated)
    proxy.chat("two")
    lines(rotated, 2)  # until told, the old file is written
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_for("access log reopened")
    proxy.chat("three")
    assert len(lines(log, 1)) == 1 and len(lines(rotated, 2)) == 2

    def move(old, new):
        proxy.config.write_text(proxy.config.read_text().replace(f'access = "{old}"', f'access = "{new}"'))
        answer = requests.post(proxy.admin + "/api/reload", timeout=10)
        # What stands in the status is asked of the log that is in use.
        assert requests.get(proxy.admin + "/api/status", timeout=10).ok
        return answer

    assert move(log, other).ok
    proxy.chat("four")
    assert len(lines(other, 1)) == 1
    refused = move(other, "/nowhere/at/all.log")
    assert not refused.ok and "the access log cannot be written" in refused.json()["error"]["message"]
    proxy.chat("five")
    assert len(lines(other, 2)) == 2
    assert move("/nowhere/at/all.log", "off").ok
    proxy.chat("six")
    assert move("off", log).ok
    proxy.chat("seven")
    assert len(lines(log, 2)) == 2 and len(lines(other, 2)) == 2


def test_a_pipe_that_nobody_reads_is_no_access_log(start, tmp_path):
    """Opened as a file is, it would hold the process until somebody comes to read."""
    sim = start(Sim)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    config = tmp_path / "piped.toml"
    config.write_text(upstream(sim) + f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n[log]\naccess = "{pipe}"\n')
    done = subprocess.run([PROGRAM, "serve", "--config", config], capture_output=True, timeout=10)
    assert done.returncode == 1 and b"the access log cannot be written" in done.stderr and b"nobody reads" in done.stderr

    proxy = start(Outrigger, upstream(sim) + '[log]\naccess = "stdout"\n')
    proxy.config.write_text(proxy.config.read_text().replace("stdout", str(pipe)))
    refused = requests.post(proxy.admin + "/api/reload", timeout=10)
    assert not refused.ok and "nobody reads" in refused.json()["error"]["message"]
    proxy.chat("one")
    proxy.access_log(1)

    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert requests.post(proxy.admin + "/api/reload", timeout=10).ok
        proxy.chat("two")
        assert select.select([reader], [], [], 5)[0]
        assert json.loads(os.read(reader, 65536))["status"] == 200
    finally:
        os.close(reader)
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_for("the access log cannot be opened again, the old file stays in use: .*nobody reads")
    assert proxy.chat("three").status_code == 200


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_standard_descriptors_may_be_closed(start, tmp_path, closed):
    """What the process opens would take their places, and then get the log's lines."""
    sim = start(Sim)
    config = tmp_path / "closed.toml"
    config.write_text(upstream(sim) + f'[listen]\nllm = "unix:{tmp_path}/llm.sock"\nadmin = "unix:{tmp_path}/admin.sock"\n')
    redirections = " ".join(f"{number}>&-" for number in closed)
    child = subprocess.Popen(["/bin/sh", "-c", f'exec "$0" serve --config "$1" {redirections}', PROGRAM, config],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while subprocess.run([PROGRAM, "health", "--config", config], capture_output=True, timeout=10).returncode != 0:
            assert time.monotonic() < deadline and child.poll() is None
            time.sleep(0.02)
        for number in closed:
            assert os.readlink(f"/proc/{child.pid}/fd/{number}") == "/dev/null"
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(f"{tmp_path}/llm.sock")
            link.sendall(b"GET /v1/models HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer sk-test\r\nConnection: close\r\n\r\n")
            assert hear_all(link).startswith(b"HTTP/1.1 200")
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def test_the_service_manager_is_told(start, tmp_path):
    sim = start(Sim)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        proxy = start(Outrigger, upstream(sim), env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"})

        def hear(word):
            while True:
                said = systemd.recv(4096).decode()
                if word in said:
                    return said

        assert "llm door on 127.0.0.1" in hear("READY=1")
        hear("WATCHDOG=1")
        proxy.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in hear("RELOADING=1")
        hear("READY=1")
        proxy.send_signal(signal.SIGTERM)
        hear("STOPPING=1")
        assert proxy.child.wait(10) == 0


def test_limits_that_are_too_tight_are_said_at_the_start(start, tmp_path):
    sim = start(Sim)
    config = tmp_path / "tight.toml"
    config.write_text(upstream(sim) + '[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n')
    proxy = Process(["prlimit", "--nofile=256:256", f"--as={300 << 20}", PROGRAM, "serve", "--config", config], tmp_path / "log")
    try:
        proxy.wait_for("is ready")
        log = proxy.text()
        assert "only 256 open files are allowed, but 4096 connections may need 8256" in log
        assert "only 300 MiB of memory are allowed, but a full cache ([cache] memory = 256 MiB)" in log
    finally:
        assert proxy.stop() == 0


def test_connections_that_are_turned_away_are_counted(start, tmp_path):
    sim = start(Sim)
    cert, key = Authority(tmp_path, "ca").issue("door")
    (tmp_path / "door.pem").write_text(cert + key)
    proxy = start(Outrigger, upstream(sim) + f"""
[limits]
connections = 2
[listen]
llm = "127.0.0.1:0"
admin = "127.0.0.1:0"
tls = {{ cert = "file:{tmp_path}/door.pem", key = "file:{tmp_path}/door.pem" }}
""")

    def dial():
        return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)

    def counted(reason):
        return proxy.metric("outrigger_connections_refused_total", door="llm", reason=reason)

    with dial() as plain:  # http where https is spoken
        plain.sendall(b"GET /v1/models HTTP/1.1\r\nHost: o\r\n\r\n")
        hear_all(plain)
    proxy.wait_for("the llm door has turned away a connection: no TLS came about; .*http request")
    assert (counted("tls"), counted("limit")) == (1, 0)

    trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    links = [trust.wrap_socket(dial(), server_hostname="localhost") for _ in range(3)]
    assert hear_all(links[2]) == b""
    proxy.wait_for("the llm door has turned away a connection: it is full; its 2 are taken")
    assert (counted("tls"), counted("limit")) == (1, 1)
    for link in links:
        link.close()
