-- The health of a StreamJob for Argo CD: goes into argocd-cm as resource.customizations.health.weir.dev_StreamJob.
local function condition(kind)
  for _, held in ipairs(obj.status.conditions) do
    if held.type == kind then
      return held
    end
  end
  return {status = "Unknown"}
end

local function says(health, held)
  return {status = health, message = held.message or held.reason or ""}
end

if obj.metadata.deletionTimestamp ~= nil then
  return {status = "Progressing", message = "it is being deleted"}
end
if obj.status == nil or obj.status.conditions == nil then
  return {status = "Progressing", message = "the operator has not seen it yet"}
end
local ready, degraded = condition("Ready"), condition("Degraded")
if ready.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not seen this generation yet"}
end
if degraded.status == "True" then
  return says("Degraded", degraded)
end
local suspended = condition("Suspended")
if suspended.status == "True" then
  return says("Suspended", suspended)
end
if ready.status == "True" then
  return says("Healthy", ready)
end
local progressing = condition("Progressing")
if progressing.status == "True" then
  return says("Progressing", progressing)
end
return says("Progressing", ready)
