"""Ten bad minutes of a provider, with two fallbacks, in 46 seconds: outages, 429 windows, a brown-out, and errors all the time.

The scenario is the contract's, with every time divided by 13; the waits that a configuration sets are shorter in proportion, as
far as they can be. Detecting that something is wrong costs the same number of attempts, so it weighs 13 times as much here, and
the bound on attempts is wider than the contract's.
"""
import json

from bad_minutes import PHASES, RATE, SECONDS


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def row(name, results):
    answered = [r for r in results if r[5]]
    share = {target: sum(r[3].startswith(target) for r in answered) / max(1, len(answered)) for target in ("first", "second", "third")}
    first = [r[1] for r in answered]
    return (f"{name:<22}{len(results):>9}{100 * len(answered) / max(1, len(results)):>11.2f}"
            f"{sum(r[4] for r in results) / max(1, len(results)):>10.3f}"
            + "".join(f"{100 * share[t]:>9.1f}" for t in share) + f"{1000 * quantile(first, 0.5):>9.0f}{1000 * quantile(first, 0.99):>9.0f}")


def test_ten_bad_minutes(ten_minutes, capsys):
    users, out, proxy, sims = ten_minutes
    assert users.wait(SECONDS + 60) == 0
    results = json.loads(out.read_text())
    lines = [f"{'the primary':<22}{'requests':>9}{'answered %':>11}{'attempts':>10}{'first %':>9}{'second %':>9}{'third %':>9}"
             f"{'p50 ms':>9}{'p99 ms':>9}"]
    for name, begin, end in PHASES:
        lines.append(row(f"{name} {begin:g}-{end:g} s", [r for r in results if begin <= r[0] < end]))
    lines.append(row("all", results))
    with capsys.disabled():
        print("\n" + "\n".join(lines))

    answered = [r for r in results if r[5]]
    attempts = sum(r[4] for r in results) / len(results)
    assert len(results) > 0.8 * SECONDS * RATE
    assert len(answered) >= 0.999 * len(results), [r for r in results if not r[5]][:10]
    # Every attempt is known on both sides.
    asked = sum(sim.calls() for sim in sims)
    assert asked == sum(r[4] for r in results)
    assert attempts < 1.2
    assert quantile([r[1] for r in answered], 0.99) < 1.5
    # The primary is used when it is well, and left alone when it is not. After a 429 it is asked more and more again, which at this
    # tempo lasts to the end.
    for begin, end, share in ((0, 3, 0.8), (40, SECONDS, 0.1)):
        calm = [r for r in answered if begin <= r[0] < end]
        assert sum(r[3].startswith("first") for r in calm) > share * len(calm)
    down = [r for r in results if 4 < r[0] < 6 or 24 < r[0] < 27]
    assert sum(r[4] for r in down) < 1.2 * len(down)
    assert proxy.alive() and proxy.metric("outrigger_in_flight") == 0
