{{- define "slipway.name" -}}
{{- if contains "slipway" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-slipway" (.Release.Name | trunc 40 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "slipway.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "slipway.namespaces" -}}
{{- if .Values.namespaces }}{{ .Values.namespaces | toJson }}{{ else }}{{ list .Release.Namespace | toJson }}{{ end }}
{{- end }}

{{/* Labels that select: (dict "root" . "part" "worker") */}}
{{- define "slipway.selector" -}}
app.kubernetes.io/name: slipway
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "slipway.labels" -}}
{{ include "slipway.selector" . }}
app.kubernetes.io/part-of: slipway
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "slipway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "slipway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Settings and secrets by reference, for every container of ours. */}}
{{- define "slipway.envFrom" -}}
- configMapRef: {name: {{ include "slipway.name" . }}-settings}
{{- if .Values.mlflow.existingSecret }}
- secretRef: {name: {{ .Values.mlflow.existingSecret }}}
{{- end }}
{{- end }}

{{- define "slipway.prefectLogin" -}}
{{- if .Values.prefect.existingSecret }}
- name: PREFECT_API_AUTH_STRING
  valueFrom: {secretKeyRef: {name: {{ .Values.prefect.existingSecret }}, key: {{ .Values.prefect.secretKey }}}}
{{- end }}
{{- end }}

{{/* What is written, on volumes: the root is read-only. */}}
{{- define "slipway.scratchMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /home/slipway}
{{- end }}

{{- define "slipway.scratchVolumes" -}}
- name: tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- end }}

{{- define "slipway.specsVolume" -}}
- name: specs
{{- if .Values.specs.existingClaim }}
  persistentVolumeClaim: {claimName: {{ .Values.specs.existingClaim }}, readOnly: true}
{{- else }}
  configMap: {name: {{ .Values.specs.existingConfigMap | default (printf "%s-specs" (include "slipway.name" .)) }}}
{{- end }}
{{- end }}

{{- define "slipway.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "slipway.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
