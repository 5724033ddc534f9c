{{/*
What the operator does in a namespace whose jobs it serves. tests/e2e/rights.py holds this to what it asked for in all scenarios: nothing is missing and nothing is left over.
Secrets are only made and deleted; a patch would answer with their content. Pods are patched to say which of them are spare. Budgets and policies go with their StreamJob, by the
garbage collector.
*/}}
{{- define "weir.rules" -}}
- apiGroups: [weir.dev]
  resources: [streamjobs]
  verbs: [get, list, watch, patch]
- apiGroups: [weir.dev]
  resources: [streamjobsnapshots]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [weir.dev]
  resources: [streamjobs/status, streamjobsnapshots/status]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* In its own namespace: the election. */}}
{{- define "weir.ownRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
{{- end -}}
