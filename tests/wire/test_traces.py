"""Traces, as a collector gets them: the tree of spans for whatever may become of a request, `traceparent` on the way in and out, and
collectors that are ill."""
import re
import threading
import time

import pytest
import requests

from chains import soon
from collector import Collector, trees
from conftest import Outrigger, Redis, Sim, upstream
from dify_sim import DifySim, DifyUser, events

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CALLER}-00f067aa0ba902b7-01"
SERVER, CLIENT = 2, 3


@pytest.fixture
def collector():
    running = []

    def begin(**named):
        running.append(Collector(**named))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


@pytest.fixture
def traced(start, collector):
    """A provider, Outrigger, and a collector. What is told is known once Outrigger has ended: spans() ends it."""
    def begin(config="", sim="", more=""):
        provider = start(Sim, sim)
        to = collector()
        proxy = start(Outrigger, upstream(provider) + config + f'[trace]\nendpoint = "{to.url}"\n{more}')

        def spans():
            assert proxy.stop() == 0
            return trees(to.spans())

        return provider, proxy, spans
    return begin


def parent_of(sim):
    """What the provider was told last."""
    headers = {name.lower(): value for name, value in sim.last()["headers"].items()}
    return headers.get("traceparent"), headers.get("tracestate")


def test_a_miss_and_a_hit(traced):
    sim, proxy, spans = traced()
    miss = proxy.chat("once", temperature=0.5, max_tokens=77, user="someone@example.com")
    hit = proxy.chat("once", temperature=0.5, max_tokens=77, user="someone@example.com")
    told, _ = parent_of(sim)
    first, second = spans()

    assert first.names() == ["POST /v1/chat/completions", "attempt sim:gpt-4o-mini", "cache lookup", "chat gpt-4o-mini"]
    top, call, attempt = first.top, first.one("chat"), first.one("attempt")
    assert (top.kind, call.kind, attempt.kind) == (SERVER, CLIENT, CLIENT)
    assert top.parent == "" and call.parent == top.id and attempt.parent == call.id
    assert first.one("cache lookup").parent == top.id
    assert told == f"00-{top.trace}-{attempt.id}-03"
    assert top["http.request.method"] == "POST" and top["http.route"] == "/v1/chat/completions"
    assert top["http.response.status_code"] == 200 and top["url.path"] == "/v1/chat/completions" and top["url.scheme"] == "http"
    assert top["outrigger.request_id"] == miss.headers["x-outrigger-request-id"]
    assert top["outrigger.cache"] == "miss" and top["outrigger.served_by"] == "sim:gpt-4o-mini" and top["outrigger.attempts"] == 1
    usage = miss.json()["usage"]
    assert call["gen_ai.operation.name"] == "chat" and call["gen_ai.request.model"] == "gpt-4o-mini"
    assert call["gen_ai.provider.name"] == "openai" and call["gen_ai.response.model"] == "gpt-4o-mini"
    assert call["gen_ai.request.max_tokens"] == 77 and call["gen_ai.request.temperature"] == 0.5
    assert call["gen_ai.usage.input_tokens"] == usage["prompt_tokens"]
    assert call["gen_ai.usage.output_tokens"] == usage["completion_tokens"]
    assert attempt["outrigger.outcome"] == "ok" and attempt["http.response.status_code"] == 200
    assert attempt["server.address"] == "127.0.0.1" and attempt["server.port"] == sim.port and attempt.events == ["first_token"]
    assert first.one("cache lookup")["outrigger.cache.result"] == "miss"
    assert not any(span.failed for span in first.all)

    assert second.names() == ["POST /v1/chat/completions", "cache lookup"]
    assert second.top["outrigger.cache"] == "hit" and second.top["outrigger.request_id"] == hit.headers["x-outrigger-request-id"]
    lookup = second.one("cache lookup")
    assert lookup["outrigger.cache.result"] == "hit" and lookup["outrigger.cache.tier"] == "memory"
    assert second.top.trace != first.top.trace
    assert top.resource["service.name"] == "outrigger" and top.resource["service.version"]


def test_nothing_that_is_said_or_shown_as_a_credential_stands_in_a_span(start, collector):
    sim, to = start(Sim), collector()
    proxy = start(Outrigger, upstream(sim, extra='keys = ["sk-upstream-secret"]') + f'''
[[client]]
name = "desk"
key = "sk-client-secret"
[trace]
endpoint = "{to.url}"
headers = {{ authorization = "Bearer collector-secret" }}
''')
    said = proxy.chat("my private question", key="sk-client-secret", user="someone@example.com",
                      path="/v1/chat/completions?api_key=query-secret")
    proxy.chat("another private question", key="sk-wrong-secret")
    assert said.status_code == 200 and proxy.stop() == 0
    told = b"".join(to.bodies).decode()
    answer = said.json()["choices"][0]["message"]["content"]
    for secret in ("private", "secret", "someone@example.com", answer[:20]):
        assert secret not in told, secret
    assert to.requests[0][0]["authorization"] == "Bearer collector-secret"
    assert "collector-secret" not in proxy.text()
    refused = trees(to.spans())[1]
    assert refused.names() == ["POST /v1/chat/completions"] and refused.top["http.response.status_code"] == 401
    assert refused.top["outrigger.cache.reason"] == "refused" and not refused.top.failed


@pytest.mark.parametrize("stream", [False, True])
def test_a_trace_that_comes_in_goes_on(traced, stream):
    sim, proxy, spans = traced()
    answer = proxy.chat("hello", stream=stream, headers={"traceparent": TRACEPARENT, "tracestate": "a=1,b=2"})
    answer.content
    told, state = parent_of(sim)
    assert proxy.access_log(1)[0]["trace_id"] == CALLER
    tree, = spans()
    assert tree.top.trace == CALLER and tree.top.parent == "00f067aa0ba902b7" and tree.top.flags & 0x300 == 0x300
    assert told == f"00-{CALLER}-{tree.one('attempt').id}-01" and state == "a=1,b=2"
    assert all(span.state == "a=1,b=2" for span in tree.all)


def test_a_caller_who_is_not_sampled_is_not_told_and_still_goes_on(traced):
    sim, proxy, spans = traced()
    proxy.chat("hello", headers={"traceparent": TRACEPARENT[:-2] + "00"})
    told, _ = parent_of(sim)
    assert re.fullmatch(f"00-{CALLER}-[0-9a-f]{{16}}-00", told) and "00f067aa0ba902b7" not in told
    assert spans() == []


def test_what_is_malformed_begins_a_new_trace(traced):
    sim, proxy, spans = traced()
    for text in ("rubbish", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", TRACEPARENT.upper(), TRACEPARENT + "x" * 10_000):
        proxy.chat(f"hello {text}"[:60], headers={"traceparent": text, "tracestate": "a=1"})
        told, state = parent_of(sim)
        assert CALLER not in told and state is None
    assert len({tree.top.trace for tree in spans()}) == 4


def test_without_a_collector_headers_pass_as_they_came(pair):
    sim, proxy = pair
    for n, text in enumerate((TRACEPARENT, "rubbish")):
        proxy.chat(f"hello {n}", headers={"traceparent": text, "tracestate": "A = 1"})
        assert parent_of(sim) == (text, "A = 1")
    log = proxy.access_log(2)
    assert log[0]["trace_id"] == CALLER and "trace_id" not in log[1]
    proxy.chat("hello 2")
    assert parent_of(sim) == (None, None)


def test_a_trace_is_no_part_of_the_question(traced):
    sim, proxy, spans = traced()
    for n in range(3):
        answer = proxy.chat("the same", headers={"traceparent": TRACEPARENT.replace("4bf9", f"000{n}"), "tracestate": f"a={n}"})
    assert answer.headers["x-outrigger-cache"] == "hit" and sim.calls("chat/completions") == 1
    assert len(spans()) == 3


def test_who_waits_for_another_s_answer_links_to_it(traced):
    sim, proxy, spans = traced(sim='first_token = "400ms"\n')
    others = [threading.Thread(target=proxy.chat, args=("the one question",)) for _ in range(2)]
    for other in others:
        other.start()
        time.sleep(0.1)
    for other in others:
        other.join()
    assert sim.calls("chat/completions") == 1
    leader, follower = spans()
    call = leader.one("chat")
    assert follower.names() == ["POST /v1/chat/completions", "cache lookup"]
    assert follower.top["outrigger.cache"] == "coalesced" and follower.top.links == [(call.trace, call.id)]
    assert follower.one("cache lookup")["outrigger.cache.result"] == "coalesced"
    assert leader.top.links == []


def test_an_answer_that_others_still_wait_for_is_told_to_its_end(traced):
    sim, proxy, spans = traced(sim='first_token = "600ms"\n')
    with pytest.raises(requests.exceptions.ReadTimeout):
        done = threading.Thread(target=lambda: (time.sleep(0.1), proxy.chat("the one question")))
        done.start()
        proxy.chat("the one question", timeout=0.3)
    done.join()
    leader, follower = spans()
    assert leader.top["outrigger.outcome"] == "client_gone" and leader.top["error.type"] == "client_gone" and not leader.top.failed
    call = leader.one("chat")
    assert call.end > leader.top.end and leader.one("attempt")["outrigger.outcome"] == "ok" and call["gen_ai.usage.input_tokens"] > 0
    assert follower.top["outrigger.outcome"] == "ok"


def test_a_retry_and_a_fallback(start, collector):
    primary, backup, to = start(Sim, '[[fault]]\nstatus = 503\n'), start(Sim), collector()
    proxy = start(Outrigger, upstream(primary, "primary") + upstream(backup, "backup", 'keys = ["sk-b"]') + f'''
[[model]]
name = "gpt-4o-mini"
target = "primary"
fallback = ["backup:gpt-4o"]
[trace]
endpoint = "{to.url}"
''')
    assert proxy.chat("hello").status_code == 200
    told, _ = parent_of(backup)
    failed, _ = parent_of(primary)
    assert proxy.stop() == 0
    tree, = trees(to.spans())
    call = tree.one("chat")
    first, second = tree.below(call, "attempt")
    assert first.name == "attempt primary:gpt-4o-mini" and second.name == "attempt backup:gpt-4o"
    assert first.failed and first["outrigger.outcome"] == "status_503" and first["error.type"] == "503"
    assert first["http.response.status_code"] == 503 and first["http.request.resend_count"] is None
    assert not second.failed and second["http.request.resend_count"] == 1
    assert failed.split("-")[2] == first.id and told.split("-")[2] == second.id
    assert not call.failed and tree.top["outrigger.attempts"] == 2 and tree.top["outrigger.served_by"] == "backup:gpt-4o"


def test_when_nothing_answers(traced):
    sim, proxy, spans = traced(sim="[[fault]]\nstatus = 503\n", config='[[model]]\nname = "*"\nretry = { attempts = 2, budget = 1.0 }\n')
    assert proxy.chat("hello").status_code == 503
    tree, = spans()
    assert len(tree.below(tree.one("chat"), "attempt")) == 2
    assert tree.one("chat").failed and tree.one("chat")["error.type"] == "503"
    assert tree.top.failed and tree.top["http.response.status_code"] == 503 and tree.top["error.type"] == "503"


def test_a_client_s_own_mistake_is_no_failure_of_the_server(traced):
    _, proxy, spans = traced(sim="[[fault]]\nstatus = 400\n")
    assert proxy.chat("hello").status_code == 400
    tree, = spans()
    assert not tree.top.failed and tree.top["http.response.status_code"] == 400 and tree.top["outrigger.outcome"] == "client_error"
    assert tree.one("attempt").failed and tree.one("attempt")["error.type"] == "400"


def test_a_stream_that_is_cut(traced):
    _, proxy, spans = traced(sim="tokens = 50\n[[fault]]\ntruncate = true\nafter = 5\n")
    assert "error" in proxy.chat("hello", stream=True).text
    tree, = spans()
    assert tree.top.failed and tree.top["error.type"] == "upstream_cut" and tree.top["outrigger.outcome"] == "cut"
    assert tree.top["outrigger.stream"] is True
    call = tree.one("chat")
    assert call.failed and call["error.type"] == "upstream_cut" and tree.one("attempt").events == ["first_token"]


def test_who_waits_in_a_queue(traced):
    _, proxy, spans = traced(sim='first_token = "300ms"\n', config='[[model]]\nname = "*"\nconcurrency = 1\n')
    others = [threading.Thread(target=proxy.chat, args=(f"question {n}",)) for n in range(2)]
    for other in others:
        other.start()
        time.sleep(0.1)
    for other in others:
        other.join()
    first, second = spans()
    assert [len(tree.below(tree.one("chat"), "queue wait")) for tree in (first, second)] == [0, 1]
    wait = second.one("queue wait")
    assert wait.end - wait.start > 0.1e9 and wait["outrigger.target"] == "sim:gpt-4o-mini"
    assert second.one("attempt").start >= wait.end >= first.one("attempt").end - 1_000_000


def test_what_the_cache_steps_aside_for(traced):
    _, proxy, spans = traced()
    proxy.chat("hello", headers={"cache-control": "no-store"})
    requests.get(proxy.url + "/v1/models", headers={"authorization": "Bearer k"}, timeout=10)
    chat, models = spans()
    assert chat.names() == ["POST /v1/chat/completions", "attempt sim:gpt-4o-mini", "chat gpt-4o-mini"]
    assert chat.top["outrigger.cache"] == "bypass" and chat.top["outrigger.cache.reason"] == "no_store"
    # No model is asked: the attempt stands below the request itself, and the path in no name.
    assert models.names() == ["GET", "attempt sim"] and models.one("attempt").parent == models.top.id
    assert models.top["http.route"] is None and models.top["url.path"] == "/v1/models"


def test_an_answer_from_redis(start, collector):
    sim, redis, to = start(Sim), start(Redis), collector()
    config = f'[redis]\nurl = "{redis.url}"\n' + upstream(sim) + f'[trace]\nendpoint = "{to.url}"\n'
    for _ in range(2):
        proxy = start(Outrigger, config)
        answer = proxy.chat("hello")
        time.sleep(0.1)
        assert proxy.stop() == 0
    assert answer.headers["x-outrigger-cache"] == "hit"
    miss, hit = trees(to.spans())
    assert hit.names() == ["POST /v1/chat/completions", "cache lookup"]
    assert hit.one("cache lookup")["outrigger.cache.tier"] == "redis" and hit.one("cache lookup")["outrigger.cache.result"] == "hit"
    assert miss.one("cache lookup").end <= miss.one("chat").start


def test_a_share_is_sampled_and_the_log_names_every_trace(traced):
    _, proxy, spans = traced(more="sample = 0.25\n")
    for n in range(80):
        proxy.chat(f"question {n % 10}")
    log = proxy.access_log(80)
    kept = spans()
    assert 3 <= len(kept) <= 45
    ids = [line["trace_id"] for line in log]
    assert len(set(ids)) == 80 and {tree.top.trace for tree in kept} <= set(ids)


def test_a_reload_changes_the_collector(traced, collector):
    sim, proxy, spans = traced()
    other = collector()
    text = proxy.config.read_text()
    proxy.config.write_text(re.sub(r'endpoint = "[^"]*"', f'endpoint = "{other.url}"', text))
    proxy.wait_for("configuration reloaded")
    proxy.chat("one")
    soon(lambda: len(other.spans()) == 4, "the new collector gets nothing")
    before = proxy.text().count("configuration reloaded")
    proxy.config.write_text(text[:text.index("[trace]")])
    soon(lambda: proxy.text().count("configuration reloaded") > before, "it was not reloaded again")
    proxy.chat("two")
    assert parent_of(sim) == (None, None)
    assert spans() == [] and len(other.spans()) == 4


def test_opentelemetry_s_own_variables(start, collector):
    sim, to = start(Sim), collector()
    proxy = start(Outrigger, upstream(sim), env={
        "OTEL_EXPORTER_OTLP_ENDPOINT": to.url, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20YTpi,x-tenant=t",
        "OTEL_SERVICE_NAME": "door", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"})
    proxy.chat("hello")
    assert proxy.stop() == 0
    headers = {name.lower(): value for name, value in to.requests[0][0].items()}
    assert headers["authorization"] == "Basic YTpi" and headers["x-tenant"] == "t"
    resource = to.spans()[0].resource
    assert resource["service.name"] == "door" and resource["deployment.environment.name"] == "test"


@pytest.mark.parametrize("illness", [{"hang": True}, {"status": 500}, {"status": 429}, {"raw": b"SSH-2.0-x\r\n"}, {"raw": b""}, None])
def test_a_collector_that_is_ill_holds_up_nobody(start, collector, illness):
    sim = start(Sim)
    to = collector(**(illness or {}))
    if illness is None:
        to.stop()  # nobody listens there any more
        to.stop = lambda: None
    proxy = start(Outrigger, upstream(sim) + f'[trace]\nendpoint = "{to.url}"\n')
    proxy.chat("warm")
    took = []
    for n in range(300):
        began = time.monotonic()
        assert proxy.chat(f"question {n % 3}").status_code == 200
        took.append(time.monotonic() - began)
    assert sorted(took)[150] < 0.05
    # More than a batch is waiting: it has been tried to send one. (A collector that says nothing is waited for for a while.)
    if not (illness or {}).get("hang"):
        proxy.wait_for("spans cannot be sent to " + re.escape(to.url))
    began = time.monotonic()
    assert proxy.stop() == 0
    assert time.monotonic() - began < 4
    assert proxy.text().count("spans cannot be sent") <= 1


def test_ten_thousand_requests_with_a_dead_collector_keep_within_their_memory(start, collector):
    sim, to = start(Sim), collector(hang=True)
    proxy = start(Outrigger, upstream(sim) + f'[log]\naccess = "off"\n[trace]\nendpoint = "{to.url}"\n')
    session = requests.Session()
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "the same"}]}

    def ask(times):
        for _ in range(times):
            session.post(proxy.url + "/v1/chat/completions", json=body, headers={"authorization": "Bearer k"}, timeout=10)

    ask(3000)
    full = proxy.rss_bytes()
    ask(4000)
    assert proxy.rss_bytes() - full < 2 << 20
    assert full < 40 << 20
    assert proxy.metric("outrigger_trace_spans_total", outcome="dropped") > 5000


# ---- the dify door ---------------------------------------------------------------------------------------------------

LISTEN = '[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n'


@pytest.fixture
def dify(start, collector):
    def begin(sim_settings="", more=""):
        sim, to = start(DifySim, sim_settings), collector()
        proxy = start(Outrigger, LISTEN + f'''[[upstream]]
name = "dify"
url = "{sim.url}"
dialect = "dify"
[[app]]
name = "faq"
key = "app-chat"
cache = {{ stateless = true, per_user = false }}
{more}
[trace]
endpoint = "{to.url}"
''')
        url = "http://" + proxy.wait_for(r"dify door on (127\.0\.0\.1:\d+)").group(1)

        def spans():
            assert proxy.stop() == 0
            assert b"app-chat" not in b"".join(to.bodies) and b"private" not in b"".join(to.bodies)
            return trees(to.spans())

        return sim, url, spans
    return begin


def test_runs_of_an_app(dify):
    sim, url, spans = dify()
    for stream in (True, False):
        user = DifyUser(url, "app-chat", "someone-private")
        user.session.headers["traceparent"] = TRACEPARENT.replace("4bf9", "000" + str(int(stream)))
        user.chat("my private question", stream).content
    assert sim.runs() == 1
    run, hit = spans()
    assert run.names() == ["POST /v1/chat-messages", "attempt dify", "cache lookup", "invoke_agent faq"]
    call = run.one("invoke_agent")
    assert run.top.parent == "00f067aa0ba902b7" and call.parent == run.top.id and run.one("attempt").parent == call.id
    assert run.top["outrigger.app"] == "faq" and run.top["outrigger.door"] == "dify" and run.top["outrigger.cache"] == "miss"
    assert call["gen_ai.provider.name"] == "dify" and call["gen_ai.agent.name"] == "faq" and call["outrigger.run"] == "chat"
    assert call["gen_ai.usage.input_tokens"] > 0 and run.one("attempt").events == ["first_token"]
    assert not any(span.failed for span in run.all)
    assert hit.names() == ["POST /v1/chat-messages", "cache lookup"] and hit.top["outrigger.cache"] == "hit"


def test_runs_that_wait_or_share(dify):
    sim, url, spans = dify('think = "300ms"\n', "[dify]\nconcurrency = 1\n")
    others = [threading.Thread(target=lambda q=question: DifyUser(url, "app-chat").chat(q, True).content)
              for question in ("one", "one", "two")]
    for other in others:
        other.start()
        time.sleep(0.08)
    for other in others:
        other.join()
    first, shared, waited = spans()
    call = first.one("invoke_agent")
    assert shared.top["outrigger.cache"] == "coalesced" and shared.top.links == [(call.trace, call.id)]
    wait = waited.one("queue wait")
    assert wait.parent == waited.one("invoke_agent").id and wait.end - wait.start > 50_000_000
    assert sim.runs() == 2


def test_what_is_no_run_has_no_path_in_its_name(dify):
    _, url, spans = dify()
    DifyUser(url, "app-chat").get("conversations")
    DifyUser(url, "app-chat").get("messages/some-private-id/suggested")
    for tree in spans():
        assert tree.names() == ["GET", "attempt dify"] and tree.top["url.path"] is None


def test_a_run_that_fails(dify):
    sim, url, spans = dify()
    sim.faults("[[fault]]\nstatus = 500\n")
    assert DifyUser(url, "app-chat").chat("hello", False).status_code == 500
    tree, = spans()
    attempt = tree.one("attempt")
    assert attempt.failed and attempt["error.type"] == "500"
    assert tree.one("invoke_agent").failed and tree.top.failed and tree.top["http.response.status_code"] == 500
