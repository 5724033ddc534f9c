{{/* The operator's settings, as weir_operator.config reads them; tests/contract holds the two to each other. */}}
{{- define "weir.environment" -}}
- name: WEIR_OPERATOR_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: WEIR_OPERATOR_IDENTITY
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- $jobs := .Values.jobs }}
{{- $operator := .Values.operator }}
{{- $settings := dict
  "NAMESPACES" (join "," .Values.watchNamespaces)
  "IMAGE" (include "weir.image" .)
  "IMAGE_PULL_POLICY" .Values.image.pullPolicy
  "JOBS_IMAGE_PULL_SECRETS" (join "," $jobs.imagePullSecrets)
  "KEY_FILE" "/etc/weir-operator/key"
  "LEASE_NAME" (include "weir.name" .)
  "LEASE_DURATION" $operator.lease.duration
  "LEASE_RENEW_DEADLINE" $operator.lease.renewDeadline
  "LEASE_RETRY" $operator.lease.retry
  "RESYNC" $operator.resync
  "POLL" $operator.poll
  "WORKERS" $operator.workers
  "QPS" $operator.qps
  "BURST" $operator.burst
  "PROBE_ADDRESS" "0.0.0.0:8080"
  "METRICS_ADDRESS" "0.0.0.0:9090"
  "LOG_LEVEL" $operator.logLevel
  "LOG_FORMAT" $operator.logFormat
  "POD_LABELS" (include "weir.selector" . | fromYaml | toJson)
  "JOBS_RUN_AS_USER" (kindIs "invalid" $jobs.runAsUser | ternary "platform" (int64 $jobs.runAsUser))
  "JOBS_TLS" $jobs.tls
  "JOBS_TLS_LIFETIME" $jobs.tlsLifetime
  "JOBS_NETWORK_POLICIES" $jobs.networkPolicies
  "JOBS_EGRESS" (toJson $jobs.egress)
  "BUCKETS" (join "," $jobs.buckets)
}}
{{- range $name, $value := $settings }}
- name: WEIR_OPERATOR_{{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- range .Values.operator.env }}
- name: {{ .name }}
  value: {{ .value | quote }}
{{- end }}
{{- end -}}
