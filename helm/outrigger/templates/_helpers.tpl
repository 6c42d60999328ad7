{{/* Names and labels. */}}
{{- define "outrigger.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "outrigger.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "outrigger.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "outrigger.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "outrigger.selectorLabels" -}}
app.kubernetes.io/name: {{ include "outrigger.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "outrigger.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "outrigger.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: dify
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "outrigger.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "outrigger.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* What a client in the cluster puts before a path. */}}
{{- define "outrigger.url" -}}
{{- $scheme := ternary "https" "http" (not (empty .Values.tls.existingSecret)) -}}
{{- if eq .Values.mode "sidecar" -}}
{{ $scheme }}://127.0.0.1:{{ .Values.ports.llm }}
{{- else -}}
{{ $scheme }}://{{ include "outrigger.fullname" . }}.{{ .Release.Namespace }}:{{ .Values.ports.llm }}
{{- end }}
{{- end }}

{{/* The Secret with Redis's password and the entry in it; empty: none is needed. */}}
{{- define "outrigger.redisSecret" -}}
{{- if .Values.redis.existingSecret }}
{{- .Values.redis.existingSecret }}
{{- else if .Values.redis.own.enabled }}
{{- include "outrigger.fullname" . }}-redis
{{- end }}
{{- end }}

{{- define "outrigger.keysSecret" -}}
{{- if .Values.keys.existingSecret }}
{{- .Values.keys.existingSecret }}
{{- else if .Values.keys.values }}
{{- include "outrigger.fullname" . }}-keys
{{- end }}
{{- end }}

{{/* The Secret with the admin door's token; empty: it has none. */}}
{{- define "outrigger.adminSecret" -}}
{{- if .Values.adminToken.existingSecret }}
{{- .Values.adminToken.existingSecret }}
{{- else if .Values.adminToken.create }}
{{- include "outrigger.fullname" . }}-admin
{{- end }}
{{- end }}

{{/* The operator's part of the configuration as an object; what cannot work ends here, with the way out. */}}
{{- define "outrigger.parsed" -}}
{{- $toml := fromToml (tpl .Values.config .) }}
{{- if hasKey $toml "Error" }}
{{- fail (printf "\n\nvalues: `config` is not TOML: %s" (get $toml "Error")) }}
{{- end }}
{{- $homes := dict "listen" "`ports`, `dify.enabled` and `tls`" "redis" "`redis`" "drain" "`drain`" "drain_delay" "`drainDelay`" "admin_token" "`adminToken`" }}
{{- range $key, $home := $homes }}
{{- if hasKey $toml $key }}
{{- fail (printf "\n\nvalues: `config` sets %s, which the chart writes itself; take it out and use %s" $key $home) }}
{{- end }}
{{- end }}
{{- if not (or $toml.upstream .Values.dify.backend) }}
{{- fail "\n\nvalues: `config` has no [[upstream]]; write where requests go:\n  [[upstream]]\n  name = \"openai\"\n  url = \"https://api.openai.com/v1\"" }}
{{- end }}
{{- if and .Values.redis.url .Values.redis.own.enabled }}
{{- fail "\n\nvalues: `redis.url` and `redis.own.enabled` exclude each other; keep one" }}
{{- end }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.dify.enabled) }}
{{- fail "\n\nvalues: an ingress or a route leads to the dify door; set `dify.enabled` and `dify.backend`, too" }}
{{- end }}
{{- with .Values.redis.own }}
{{- $limit := include "outrigger.bytes" (dig "limits" "memory" "" .resources) }}
{{- /* What Redis needs besides its data: buffers, and room for what is in pieces. */}}
{{- $needed := mul (regexFind "^[0-9]+" .maxmemory | int64) (get (dict "kb" 1024 "mb" 1048576 "gb" 1073741824) (regexFind "[kmg]b$" .maxmemory)) | mulf 1.25 | ceil | int64 }}
{{- if and .enabled $limit (gt $needed (int64 $limit)) }}
{{- fail (printf "\n\nvalues: `redis.own.maxmemory` %s is more than the pod may hold, which would be killed before anything gives way; set `redis.own.resources.limits.memory` to %dMi or more" .maxmemory (divf $needed 1048576 | ceil | int64)) }}
{{- end }}
{{- end }}
{{- $backend := .Values.dify.backend }}
{{- range $toml.upstream }}{{ if eq (default "" .dialect) "dify" }}{{ $backend = default .name $backend }}{{ end }}{{ end }}
{{- if and .Values.dify.enabled (not $backend) }}
{{- fail "\n\nvalues: the dify door leads nowhere; say in `dify.backend` where Dify's api is: with a release called dify http://dify-api-svc:80 in douban's chart, http://dify-api:5001 in BorisPolonsky's; or write an [[upstream]] with dialect = \"dify\" into `config`" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (eq .Values.mode "deployment") }}
{{- include "outrigger.checkPolicy" (dict "root" . "toml" $toml) }}
{{- end }}
{{- toJson $toml }}
{{- end }}

{{/* A quantity of Kubernetes in bytes; empty: none, or in a form that is not read here. */}}
{{- define "outrigger.bytes" -}}
{{- $text := kindIs "string" . | ternary . (. | int64 | toString) }}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- if regexMatch "^[0-9]+(\\.[0-9]+)?([kMGT]|[KMGT]i)?$" $text }}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $units (regexFind "[kKMGTi]+$" $text)) | int64 }}
{{- end }}
{{- end }}

{{/* A network policy that would silently cut off what other values ask for. */}}
{{- define "outrigger.checkPolicy" -}}
{{- $values := .root.Values }}
{{- $policy := $values.networkPolicy }}
{{- if and $values.metrics.serviceMonitor.enabled (not $policy.metricsFrom) }}
{{- fail "\n\nvalues: the network policy lets nobody read the metrics that `metrics.serviceMonitor` asks for; say in `networkPolicy.metricsFrom` where Prometheus is:\n  networkPolicy:\n    metricsFrom:\n      - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: monitoring } }" }}
{{- end }}
{{- /* A gateway may be in this namespace; an ingress controller mostly is not. */}}
{{- $outside := $values.ingress.enabled }}
{{- if $values.httpRoute.enabled }}{{ range $values.httpRoute.parentRefs }}{{ if ne (default $.root.Release.Namespace .namespace) $.root.Release.Namespace }}{{ $outside = true }}{{ end }}{{ end }}{{ end }}
{{- if and $outside (has (toJson $policy.from) (list "null" "[]" "[{\"podSelector\":{}}]")) }}
{{- fail "\n\nvalues: the network policy lets in pods of this namespace only, and who comes through an ingress or a gateway comes from its pods; name their namespace in `networkPolicy.from`:\n  networkPolicy:\n    from:\n      - podSelector: {}\n      - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: ingress-nginx } }" }}
{{- end }}
{{- $ways := list }}
{{- with $values.dify.backend }}{{ $ways = append $ways (list "`dify.backend`" (tpl . $.root) 5001) }}{{ end }}
{{- range .toml.upstream }}
{{- if and (eq (default "" .dialect) "dify") .url }}{{ $ways = append $ways (list (printf "upstream %s" .name) .url 5001) }}{{ end }}
{{- end }}
{{- with $values.redis.url }}{{ $ways = append $ways (list "`redis.url`" . 6379) }}{{ end }}
{{- range $ways }}
{{- $url := urlParse (index . 1) }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (get (dict "http" "80" "https" "443") $url.scheme) | default "6379" | int }}
{{- if not (include "outrigger.policyOpens" (dict "policy" $policy "ports" (list $port (index . 2)))) }}
{{- fail (printf "\n\nvalues: %s leads to port %d, and the network policy lets the pods go to ports %s only; add to `networkPolicy.egressPorts` the port that the pods there listen on (%d in most; a Service's own port does not count), or write a rule into `networkPolicy.extraEgress`" (index . 0) $port (join ", " $policy.egressPorts) (index . 2)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Empty: the policy lets the pods go to none of `ports`. A rule with a port's name is believed. */}}
{{- define "outrigger.policyOpens" -}}
{{- $ports := .ports }}
{{- range .policy.egressPorts }}{{ if has (int .) $ports }}yes{{ end }}{{ end }}
{{- range .policy.extraEgress }}
{{- if not .ports }}yes{{ end }}
{{- range .ports }}
{{- if eq (default "TCP" .protocol) "TCP" }}
{{- if or (not .port) (kindIs "string" .port) }}yes{{ else }}
{{- $first := int .port }}{{ $last := int (default .port .endPort) }}
{{- range $ports }}{{ if and (ge . $first) (le . $last) }}yes{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* outrigger.toml: the chart's part, then the operator's. */}}
{{- define "outrigger.toml" -}}
{{- $_ := include "outrigger.parsed" . }}
{{- $host := ternary "127.0.0.1" "0.0.0.0" (eq .Values.mode "sidecar") -}}
drain = {{ .Values.drain | quote }}
{{- if eq .Values.mode "deployment" }}
drain_delay = {{ .Values.drainDelay | quote }}
{{- end }}
{{- if include "outrigger.adminSecret" . }}
admin_token = "file:/run/secrets/outrigger/admin-token"
{{- end }}

[listen]
llm = "{{ $host }}:{{ .Values.ports.llm }}"
{{- if .Values.dify.enabled }}
dify = "0.0.0.0:{{ .Values.ports.dify }}"
{{- end }}
admin = "0.0.0.0:{{ .Values.ports.admin }}"
{{- if .Values.tls.existingSecret }}
tls = { cert = "file:/run/secrets/outrigger-tls/tls.crt", key = "file:/run/secrets/outrigger-tls/tls.key" }
{{- end }}
{{- if or .Values.redis.url .Values.redis.own.enabled }}

[redis]
{{- if .Values.redis.own.enabled }}
url = "redis://{{ include "outrigger.fullname" . }}-redis:6379/0"
{{- else }}
url = {{ .Values.redis.url | quote }}
{{- end }}
{{- with .Values.redis.user }}
user = {{ . | quote }}
{{- end }}
{{- if include "outrigger.redisSecret" . }}
password = "file:/run/secrets/outrigger/redis-password"
{{- end }}
{{- with .Values.redis.extraConfig }}
{{ tpl . $ | trim }}
{{- end }}
{{- end }}

{{ tpl .Values.config . | trim }}
{{- with .Values.dify.backend }}

[[upstream]]
name = "dify"
url = {{ tpl . $ | quote }}
dialect = "dify"
{{- end }}
{{ end }}
