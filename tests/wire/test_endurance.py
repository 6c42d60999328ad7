"""Memory stays what it was: the short form of bench/endurance.py."""
import random
import sys

from conftest import ROOT, Outrigger, Sim

sys.path.insert(0, str(ROOT / "bench"))
import endurance


def test_many_requests_do_not_make_it_grow(start):
    sim = start(Sim, endurance.SIM_SETTINGS)
    outrigger = start(Outrigger, endurance.config(sim.port))
    idle = endurance.descriptors(outrigger.child.pid)
    total = 50_000
    load, watch = endurance.Load(outrigger.port, total, random.randrange(2**32)), endurance.Watch(outrigger.child.pid, total)
    load.run(watch)
    assert not load.problems
    assert load.answered == total and load.left > 0
    # The first measurement comes at a time when the allocator has not seen everything yet.
    assert watch.growth() < 1.15, watch.points
    assert endurance.descriptors(outrigger.child.pid) < idle + 100
    assert outrigger.alive()
