"""A collector of spans: takes OTLP over HTTP and reads it with the official protocol's own parser, which knows every field's name and
type. No test stands here."""
import base64
import http.server
import json
import threading
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = {"traceId", "spanId", "parentSpanId"}


def with_base64(node):
    """OTLP's JSON has ids in hex, the one thing in which it differs from proto3's own mapping."""
    if isinstance(node, list):
        return [with_base64(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: base64.b64encode(bytes.fromhex(value)).decode() if key in IDS else with_base64(value)
            for key, value in node.items()}


def value_of(value):
    kind = value.WhichOneof("value")
    return [value_of(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)


class Span:
    def __init__(self, span, resource):
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.name, self.kind, self.state, self.flags = span.name, span.kind, span.trace_state, span.flags
        self.start, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.attributes = {a.key: value_of(a.value) for a in span.attributes}
        assert len(self.attributes) == len(span.attributes), f"an attribute stands twice in {span}"
        self.events = [event.name for event in span.events]
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.failed = span.status.code == 2
        self.resource = resource
        assert len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)
        assert self.start <= self.end and abs(self.start / 1e9 - time.time()) < 3600

    def __repr__(self):
        return f"{self.name} {self.attributes}"

    def __getitem__(self, key):
        return self.attributes.get(key)


class Collector:
    def __init__(self, status=200, hang=False, raw=None):
        self.status, self.hang, self.raw = status, hang, raw
        self.requests, self.problems, self.bodies = [], [], []
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.take(self.path, dict(self.headers), body)
                if outer.hang:
                    outer.released.wait(60)
                    self.close_connection = True
                    return
                if outer.raw is not None:
                    self.wfile.write(outer.raw)
                    self.close_connection = True
                    return
                self.send_response(outer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def take(self, path, headers, body):
        try:
            assert path == "/v1/traces" and headers["Content-Type"] == "application/json"
            request = json_format.Parse(json.dumps(with_base64(json.loads(body))), ExportTraceServiceRequest())
            self.requests.append((headers, request))
        except Exception as problem:
            self.problems.append(problem)
        self.bodies.append(body)

    def spans(self):
        assert not self.problems, self.problems
        return [Span(span, {a.key: value_of(a.value) for a in whole.resource.attributes})
                for _, request in self.requests for whole in request.resource_spans
                for scope in whole.scope_spans for span in scope.spans]

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Tree:
    """The spans of one trace."""

    def __init__(self, spans):
        self.all = sorted(spans, key=lambda span: span.start)
        by_id = {span.id: span for span in self.all}
        assert len(by_id) == len(self.all), "an id stands twice"
        self.tops = [span for span in self.all if span.parent not in by_id]
        for span in self.all:
            if span.parent in by_id:
                assert span.start >= by_id[span.parent].start, f"{span} begins before {by_id[span.parent]}"

    @property
    def top(self):
        assert len(self.tops) == 1, self.tops
        return self.tops[0]

    def below(self, span, name=""):
        return [one for one in self.all if one.parent == span.id and one.name.startswith(name)]

    def one(self, name):
        found = [span for span in self.all if span.name.startswith(name)]
        assert len(found) == 1, f"{len(found)} of {name} in {self.all}"
        return found[0]

    def names(self):
        return sorted(span.name for span in self.all)


def trees(spans):
    """By the first that begins."""
    by_trace = {}
    for span in spans:
        by_trace.setdefault(span.trace, []).append(span)
    return sorted((Tree(of) for of in by_trace.values()), key=lambda tree: tree.all[0].start)
