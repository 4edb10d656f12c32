{{/* The pool's base job template: what Prefect's worker makes of a flow run. {{ ... }} in it is Prefect's, filled in per run. */}}
{{- define "slipway.jobTemplate" -}}
variables:
  type: object
  properties:
    name: {type: string, title: Name, description: "The job's name; empty: the flow run's."}
    command: {type: string, title: Command, description: "Empty: Prefect's own, which runs the flow."}
    labels: {type: object, title: Labels, additionalProperties: {type: string}, default: {}}
    env:
      type: object
      title: Environment
      description: Further variables of this run.
      additionalProperties: {anyOf: [{type: string}, {type: "null"}]}
      default: {}
job_configuration:
  name: {{ "{{ name }}" | quote }}
  command: {{ "{{ command }}" | quote }}
  labels: {{ "{{ labels }}" | quote }}
  env: {{ "{{ env }}" | quote }}
  namespace: {{ .Release.Namespace }}
  stream_output: false
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    metadata:
      namespace: {{ .Release.Namespace }}
      generateName: {{ include "slipway.name" . }}-flow-
      labels: {{ "{{ labels }}" | quote }}
    spec:
      backoffLimit: 0
      ttlSecondsAfterFinished: {{ .Values.flows.ttlSecondsAfterFinished }}
      template:
        metadata:
          labels: {{- include "slipway.labels" (dict "root" . "part" "flow") | nindent 12 }}
          {{- with .Values.flows.podAnnotations }}
          annotations: {{- toYaml . | nindent 12 }}
          {{- end }}
        spec:
          # Prefect's worker refuses a template without these two in this place; the API server drops them
          parallelism: 1
          completions: 1
          {{- include "slipway.flowPod" . | nindent 10 }}
{{- end }}

{{- define "slipway.flowPod" -}}
restartPolicy: Never
serviceAccountName: {{ include "slipway.name" . }}-flows
automountServiceAccountToken: true
terminationGracePeriodSeconds: {{ .Values.flows.terminationGracePeriodSeconds }}
{{- include "slipway.pullSecrets" . | nindent 0 }}
{{- if .Values.flows.builder }}
hostUsers: false
{{- end }}
securityContext:
{{- if .Values.flows.builder }}
  runAsUser: 0
  runAsGroup: 0
  seccompProfile: {type: RuntimeDefault}
{{- else }}
  {{- include "slipway.podSecurity" . | nindent 2 }}
{{- end }}
containers:
  - name: prefect-job
    image: {{ include "slipway.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    envFrom: {{- include "slipway.envFrom" . | nindent 6 }}
    env:
      - {name: SLIPWAY_HOME, value: /var/lib/slipway}
      {{- if .Values.home.existingClaim }}
      - {name: PREFECT_LOCAL_STORAGE_PATH, value: /var/lib/slipway/prefect-results}
      {{- end }}
      {{- if .Values.registry.existingSecret }}
      - {name: DOCKER_CONFIG, value: /etc/slipway/registry}
      {{- end }}
      {{- include "slipway.prefectLogin" . | nindent 6 }}
    securityContext:
    {{- if .Values.flows.builder }}
      readOnlyRootFilesystem: true
      # what buildah's chroot isolation asks for; all of it counts inside the pod's user namespace only
      capabilities:
        drop: [ALL]
        add: [CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, NET_BIND_SERVICE, SETFCAP, SETGID, SETPCAP, SETUID, SYS_ADMIN, SYS_CHROOT]
    {{- else }}
      {{- include "slipway.containerSecurity" . | nindent 6 }}
    {{- end }}
    resources: {{- toYaml .Values.flows.resources | nindent 6 }}
    volumeMounts:
      {{- include "slipway.scratchMounts" . | nindent 6 }}
      - {name: state, mountPath: /var/lib/slipway}
      - {name: specs, mountPath: /etc/slipway/models, readOnly: true}
      {{- if .Values.flows.builder }}
      - {name: run, mountPath: /run}
      {{- end }}
      {{- if .Values.registry.existingSecret }}
      - {name: registry, mountPath: /etc/slipway/registry, readOnly: true}
      {{- end }}
volumes:
  {{- include "slipway.scratchVolumes" . | nindent 2 }}
  - name: state
    {{- if .Values.home.existingClaim }}
    persistentVolumeClaim: {claimName: {{ .Values.home.existingClaim }}}
    {{- else }}
    emptyDir: {sizeLimit: {{ .Values.home.sizeLimit }}}
    {{- end }}
  {{- include "slipway.specsVolume" . | nindent 2 }}
  {{- if .Values.flows.builder }}
  - name: run
    emptyDir: {}
  {{- end }}
  {{- if .Values.registry.existingSecret }}
  - name: registry
    secret:
      secretName: {{ .Values.registry.existingSecret }}
      items: [{key: .dockerconfigjson, path: config.json}]
  {{- end }}
{{- include "slipway.placement" .Values.flows | nindent 0 }}
{{- end }}
