{{- define "outrigger.testPod" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tests
    configMap: { name: {{ include "outrigger.fullname" . }}-tests }
{{- end }}

{{- define "outrigger.testContainer" -}}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
resources:
  requests: { cpu: 10m, memory: 32Mi }
  limits: { memory: 256Mi }
volumeMounts:
  - { name: tests, mountPath: /tests, readOnly: true }
{{- end }}
