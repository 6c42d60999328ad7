"""The schedule of the ten bad minutes: see test_resilience_ten_minutes.py."""

SECONDS, RATE = 46.0, 60
CALM = 'first_token = "40ms"\nbetween_tokens = "1ms"\ntokens = 8\nremember = 0\n'


def outage(at, until):
    return f'[[fault]]\nat = "{at}s"\nfor = "{until - at:.2f}s"\nstatus = 503\n'


def errors(share):
    return f"[[fault]]\nprobability = {share}\nstatus = 500\n"


def limited(at, until):
    return f'[[fault]]\nat = "{at}s"\nfor = "{until - at:.2f}s"\nover = 30\nwithin = "1s"\nstatus = 429\nretry_after = "500ms"\n'


# Name, from, to: what the primary goes through.
PHASES = [("calm", 0, 3.1), ("outage", 3.1, 6.2), ("calm", 6.2, 10), ("429", 10, 12.9), ("calm", 12.9, 16.9), ("brown-out", 16.9, 20.8),
          ("calm", 20.8, 23.1), ("outage", 23.1, 27.4), ("calm", 27.4, 29.2), ("429", 29.2, 31.7), ("calm", 31.7, 34.6),
          ("outage", 34.6, 36.2), ("calm", 36.2, SECONDS)]
PRIMARY = (outage(3.1, 6.2) + outage(23.1, 27.4) + outage(34.6, 36.2) + limited(10, 12.9) + limited(29.2, 31.7)
           + '[[fault]]\nat = "16.9s"\nfor = "3.9s"\nprobability = 0.4\nfirst_token = "60s"\n' + errors(0.03))
SECOND = outage(6.9, 10) + outage(36.2, 38.5) + errors(0.02)
THIRD = outage(26.9, 28.5) + errors(0.01)

CONFIG = """
[[upstream]]
name = "first"
url = "{0}/v1"
[[upstream]]
name = "second"
url = "{1}/v1"
keys = ["sk-second"]
[[upstream]]
name = "third"
url = "{2}/v1"
keys = ["sk-third"]
[[model]]
name = "gpt-4o-mini"
target = "first"
fallback = ["second:gpt-4o", "third:gpt-4.1"]
timeout = {{ first_token = "500ms", between_tokens = "2s", total = "20s" }}
breaker = {{ failures = 3, open = "100ms", max_open = "2s" }}
[log]
access = "off"
"""
