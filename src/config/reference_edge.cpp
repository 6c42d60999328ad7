// What the file says of the process and its doors: its top, [listen], [limits], [log].
#include "config/reference_parts.h"

namespace outrigger::config::parts {

Section top_section() {
  const Config config;
  Section section;
  section.text =
      "Keys above the first `[table]`. TOML puts what stands below a table's header into that table, so these come first.";
  section.example = "drain = \"30s\"\nadmin_token = \"env:OUTRIGGER_ADMIN_TOKEN\"\n";
  add(section,
      {duration("drain", is(config.drain), {0s, 1h},
                "How long running answers may take to finish after `SIGTERM`. What is not over then ends with an error that "
                "says so, inside the stream if need be. 30 s is what Kubernetes grants before it kills."),
       duration("drain_delay", is(config.drain_delay), {0s, 10min},
                "How long new requests are still taken after `SIGTERM`, while `/readyz` says 503 already, before the drain "
                "begins. In Kubernetes `\"5s\"`: so long it may take until the last of those who send requests here knows "
                "better. Off, because elsewhere it would only make a restart longer."),
       text(
           "admin_token", none("the admin door's API is open on loopback, and closed on any other address"), {},
           "Opens the admin door's dashboard, status, explain, purge, reload and drain where it listens on more than "
           "loopback: `Authorization: Bearer TOKEN` or `x-outrigger-admin-token: TOKEN`. There it is asked of this machine, "
           "too, and without it they are refused to everybody. Health and metrics never need it.")});
  return section;
}

Section listen_section() {
  const Listen listen;
  Section section;
  section.name = "listen";
  section.text =
      "The doors: addresses with a port (`\"0.0.0.0:8080\"`, `\"[::1]:8080\"`), or a socket file "
      "(`\"unix:/run/outrigger/llm.sock\"`), where only its owner and its group come in (mode 0660, whatever the umask is). "
      "A "
      "change of an address takes a restart; a new certificate does not.";
  section.example = "[listen]\nllm = \"0.0.0.0:8080\"\ndify = \"0.0.0.0:8081\"\nadmin = \"127.0.0.1:9090\"\n";
  add(section,
      {text("llm", is(listen.llm), {},
            "The door for Dify's model plugins and any OpenAI or Anthropic client. On every interface, because Dify runs in "
            "another container. `--listen` on the command line overrides it."),
       text("dify", none("off"), {},
            "The door in front of Dify's own API, for what Dify's nginx sends to `api:5001`; [`[dify]`](#dify) says more. "
            "Off, because most come for the llm door first."),
       text("admin", is(listen.admin), {},
            "Health, metrics, status, purge. On loopback only, because it can empty the cache and shows what is asked for. "
            "Prometheus in another container needs it on more: then all but health and metrics asks for `admin_token`."),
       text("admin_token", none("that of the top of the file"), {},
            "The same as [`admin_token`](#admin_token) at the top of the file, for those who look for it here. Only one of "
            "the two."),
       table("tls", none("plain HTTP"),
             "HTTPS on the llm and the dify door. Off: between containers of one host there is nobody to listen in. Files "
             "are read again when they change, and new connections are shown the new certificate."),
       text("tls.cert", none("needed in a `tls`"), "PEM",
            "The certificate and its chain, as `\"file:/path\"`; the door's own first."),
       text("tls.key", none("needed in a `tls`"), "PEM, without a password", "Its private key, as `\"file:/path\"`."),
       text("tls.client_ca", none("nobody is asked for a certificate"), "PEM",
            "Whoever comes in must show a certificate that leads to one of these."),
       table("admin_tls", none("plain HTTP"),
             "HTTPS on the admin door. It has no `client_ca`: probes and Prometheus have no certificates."),
       text("admin_tls.cert", none("needed in an `admin_tls`"), "PEM", "As `tls.cert`; it may be the same."),
       text("admin_tls.key", none("needed in an `admin_tls`"), "PEM, without a password", "As `tls.key`.")});
  return section;
}

Section limits_section() {
  const Limits limits;
  Section section;
  section.name = "limits";
  section.text = "What one client can make this process hold, at the edge.";
  add(section,
      {integer("connections", is(limits.connections), {1, 1'000'000},
               "Open connections from clients at the llm door, and as many at the dify door; one more is closed at once. "
               "Some 50 KB each at most while they stream; Dify opens far fewer. Each may need two open files; the start "
               "warns when the system allows fewer. The admin door has 64 places; when all are held, the connection that "
               "has been idle for longest makes room."),
       size("header", is_size(limits.header), {1ull << 10, 1ull << 20},
            "Of a request's head. Larger ones are answered with 431."),
       size("body", is_size(limits.body), {1ull << 10, 1ull << 30},
            "Of a request's body at the llm door. Larger ones are answered with 413. It is enough for a few pictures in "
            "base64. At the dify door uploads pass as large as Dify allows, since none is kept. The admin door takes as "
            "much where a request is explained, and 64 KiB elsewhere."),
       duration("header_timeout", is(limits.header_timeout), {100ms, 1h},
                "Within it a request's head must have come; else 408. It keeps those away who send a byte now and then to "
                "hold a place."),
       duration("body_timeout", is(limits.body_timeout), {100ms, 1h},
                "Within it the next piece of a body must come; else 408. A client that takes nothing of its answer for so "
                "long is cut off. Uploads over a bad line may take a while.")});
  return section;
}

Section trace_section() {
  const Trace trace;
  Section section;
  section.name = "trace";
  section.text =
      "OpenTelemetry traces, sent to a collector over OTLP/HTTP. A `traceparent` that a client sends is passed on with or "
      "without "
      "them. Prompts, answers and credentials stand in no span.";
  section.example =
      "[trace]\nendpoint = \"http://otel-collector:4318\"\nheaders = { authorization = \"env:OTLP_AUTHORIZATION\" }\nsample "
      "= 0.1\n";
  add(section,
      {text("endpoint", none("OpenTelemetry's own variables count, and without those nothing is sent"), "an http(s) URL",
            "The collector; `/v1/traces` is appended unless it is there. The variables are `OTEL_EXPORTER_OTLP_ENDPOINT`, "
            "`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` with its "
            "`_ARG`, `OTEL_TRACES_EXPORTER` and `OTEL_SDK_DISABLED`, and those of the kind `OTEL_EXPORTER_OTLP_TRACES_…`."),
       free_table("headers", "at most 32", "Added to every export: what the collector asks of those who come in."),
       number("sample", is(trace.sample), {0, 1},
              "The share of the traces that begin here and are told. Whoever brings a `traceparent` has decided already. "
              "All of "
              "them, because a bot asks a few times a second at most."),
       text("service", is(trace.service), "cut at 128 bytes", "What this program is called in traces: `service.name`."),
       boolean("exemplars", is(trace.exemplars),
               "Histograms in `/metrics` name a trace beside their buckets, for those who ask in OpenMetrics. Off, because "
               "Prometheus keeps them only with `--enable-feature=exemplar-storage`.")});
  return section;
}

Section log_section() {
  Section section;
  section.name = "log";
  section.text =
      "What happens to the process itself stands on standard error. This is about the access log: one JSON line a request, "
      "without prompts, answers or credentials.";
  add(section,
      {text("access", is(Log().access), {},
            "`\"stdout\"`, `\"off\"`, or the absolute path of a file, which is opened again at `SIGUSR1`. Containers "
            "collect standard output. A file that cannot be opened ends the start: somebody counts on it.")});
  return section;
}

}  // namespace outrigger::config::parts
