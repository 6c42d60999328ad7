{{/* The container: of the chart's own pods, and of a sidecar's. */}}
{{- define "outrigger.container" -}}
name: outrigger
image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/outrigger/outrigger.toml]
ports:
  - { name: llm, containerPort: {{ .Values.ports.llm }} }
  {{- if .Values.dify.enabled }}
  - { name: dify, containerPort: {{ .Values.ports.dify }} }
  {{- end }}
  - { name: outrigger-admin, containerPort: {{ .Values.ports.admin }} }
{{- with .Values.extraEnv }}
env:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
startupProbe:
  httpGet: { path: /readyz, port: outrigger-admin }
  {{- toYaml .Values.startupProbe | nindent 2 }}
readinessProbe:
  httpGet: { path: /readyz, port: outrigger-admin }
  {{- toYaml .Values.readinessProbe | nindent 2 }}
livenessProbe:
  httpGet: { path: /healthz, port: outrigger-admin }
  {{- toYaml .Values.livenessProbe | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - { name: outrigger-config, mountPath: /etc/outrigger, readOnly: true }
  {{- if include "outrigger.secretSources" . }}
  - { name: outrigger-secrets, mountPath: /run/secrets/outrigger, readOnly: true }
  {{- end }}
  {{- if .Values.tls.existingSecret }}
  - { name: outrigger-tls, mountPath: /run/secrets/outrigger-tls, readOnly: true }
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end }}

{{/* An element of `initContainers` that starts before the pod's other containers and ends after them. */}}
{{- define "outrigger.sidecar" -}}
- restartPolicy: Always
  {{- include "outrigger.container" . | nindent 2 }}
{{- end }}

{{- define "outrigger.secretSources" -}}
{{- with include "outrigger.keysSecret" . }}
- secret: { name: {{ . | quote }} }
{{- end }}
{{- with include "outrigger.adminSecret" . }}
- secret: { name: {{ . | quote }}, items: [{ key: {{ $.Values.adminToken.key | quote }}, path: admin-token }] }
{{- end }}
{{- with include "outrigger.redisSecret" . }}
- secret: { name: {{ . | quote }}, items: [{ key: {{ $.Values.redis.key | quote }}, path: redis-password }] }
{{- end }}
{{- end }}

{{/* Elements of `volumes` that the container needs. */}}
{{- define "outrigger.volumes" -}}
- name: outrigger-config
  configMap: { name: {{ include "outrigger.fullname" . }} }
{{- with include "outrigger.secretSources" . | trim }}
- name: outrigger-secrets
  projected:
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- with .Values.tls.existingSecret }}
- name: outrigger-tls
  secret: { secretName: {{ . | quote }} }
{{- end }}
{{- with .Values.extraVolumes }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{/* Pod annotations that change with what the chart itself writes. */}}
{{- define "outrigger.checksums" -}}
checksum/outrigger-config: {{ include "outrigger.toml" . | sha256sum }}
{{- with .Values.keys.values }}
checksum/outrigger-keys: {{ toJson . | sha256sum }}
{{- end }}
{{- end }}

{{- define "outrigger.graceSeconds" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 }}
{{- $seconds := 5 }}
{{- range list .Values.drain .Values.drainDelay }}
{{- $seconds = add $seconds (mul (regexFind "^[0-9]+" . | int) (get $units (regexFind "[smh]$" .))) }}
{{- end }}
{{- $seconds }}
{{- end }}
