"""scripts/test tells what became of its suites, whatever they do. Small scripts stand in for them here."""
import os
import re
import shutil

import pytest

from conftest import ROOT, run


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/usr/bin/env bash\n" + text + "\n")
    path.chmod(0o755)


@pytest.fixture
def test_script(tmp_path):
    """`scripts/test GROUP...` in a tree whose suites `deploy` and `wire` do what they are told."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/test", tmp_path / "scripts/test")
    for program in ("scripts/deps", "bin/cmake", "build/dev/outrigger"):
        executable(tmp_path / program, "exit 0")

    def start(*groups, **suites):
        for group, text in suites.items():
            executable(tmp_path / f"tests/{group}/run", text)
        return run(tmp_path / "scripts/test", *groups, check=False, env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    return start


def counts(done):
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("group", ["deploy", "wire"])
def test_counts_are_taken_from_the_log(test_script, group):
    done = test_script(group, **{group: 'echo "3 passed, 0 failed, 1 skipped"'})
    assert done.returncode == 0 and counts(done) == "3 passed, 0 failed, 1 skipped"
    done = test_script(group, **{group: 'echo "10 passed, 2 failed, 0 skipped"; exit 1'})
    assert done.returncode == 1 and counts(done) == "10 passed, 2 failed, 0 skipped"


@pytest.mark.parametrize("group", ["deploy", "wire"])
@pytest.mark.parametrize("text, status", [
    ("echo '12 passed so far'; kill -9 $$", 137),
    ("kill -9 $$", 137),
    ("echo 'Traceback (most recent call last)'; exit 2", 2),
    # A suite that forgets to count has shown nothing.
    ("exit 0", 0),
], ids=["killed", "killed at once", "broken", "mute"])
def test_a_suite_that_ends_without_its_counts_has_failed(test_script, group, text, status):
    done = test_script(group, **{group: text})
    assert done.returncode == 1 and counts(done) == "0 passed, 1 failed, 0 skipped"
    assert f"  {group} tests (exit status {status})\n" in done.stdout
    assert "syntax error" not in done.stderr


def test_what_comes_after_the_counts_does_not_hide_them(test_script):
    done = test_script("deploy", deploy='echo "3 passed, 0 failed, 1 skipped"; echo "Terminated"')
    assert done.returncode == 0 and counts(done) == "3 passed, 0 failed, 1 skipped"
    done = test_script("deploy", deploy='echo "3 passed, 0 failed, 1 skipped"; kill -9 $$')
    assert done.returncode == 1 and counts(done) == "3 passed, 1 failed, 1 skipped"


def test_a_group_that_does_not_exist_is_refused(test_script):
    for groups in (["deplyo"], ["deploy", "all"], [""]):
        done = test_script(*groups, deploy='echo "3 passed, 0 failed, 1 skipped"')
        assert done.returncode == 2
        assert re.search(r"^test: unknown group '.*': use sim, asan, fuzz, wire, deploy, dashboard or unit$", done.stderr, re.M)
        assert "passed" not in done.stdout


def test_suites_that_mostly_wait_are_all_counted(test_script):
    done = test_script("deploy", "wire", wire='echo "3 passed, 0 failed, 1 skipped"', deploy='echo "4 passed, 1 failed, 0 skipped"; exit 1')
    assert done.returncode == 1 and counts(done) == "7 passed, 1 failed, 1 skipped"
    assert done.stdout.index("3 passed, 0 failed") < done.stdout.index("4 passed, 1 failed")  # those that measure times come first
    assert re.search(r"^  deploy tests +\d+ s, beside the others$", done.stdout, re.M)
