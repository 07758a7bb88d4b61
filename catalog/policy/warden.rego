# The decision on a certificate, for OPA: the same as flex-auth's package ops-warden.ssh-certificate.sign. Load it beside the actors
# that `warden policy registry` prints:
#   warden policy registry > actors.json && opa run --server warden.rego actors.json
# and point warden at it: policy: { engine: opa, path: warden/gate }. `opa test catalog/policy` runs its tests.
# Who may fetch which secret, or run a program with it, is in a second data file, which nobody can make from the inventory:
#   {"warden": {"credentials": {"openbao-api-key": {"subjects": ["adm-example"]}}}}
package warden.gate

default allow := false

allow if reason in {"signing_policy_matched", "credential_policy_matched"}

name := trim_prefix(input.resource.id, "ssh-cert:actor/")

actor := data.warden.actors[name]

context := object.get(input, "context", {})

principals := object.get(context, "principals", [])

# Unknown: more hours than anybody may have.
ttl_hours := object.get(context, "ttl_hours", 1000000)

excess contains principal if {
	some principal in principals
	not principal in actor.principals
}

known_subject if input.subject.id == name

known_subject if input.subject.id == concat(":", ["iam", name])

has_fingerprint if startswith(object.get(context, "pubkey_fingerprint", ""), "SHA256:")

default reason := "no_matching_rule"

lane := trim_prefix(input.resource.id, "credential:")

may_have if input.subject.id in data.warden.credentials[lane].subjects

reason := "credential_policy_matched" if {
	input.resource.type == "credential"
	input.action.name in {"fetch", "exec"}
	may_have
} else := "unknown_subject" if {
	input.resource.type == "credential"
	input.action.name in {"fetch", "exec"}
} else := "wrong_action" if {
	input.action.name != "sign"
} else := "no_matching_rule" if {
	input.resource.type != "ssh-certificate"
} else := "unknown_actor_resource" if {
	not actor
} else := "unknown_subject" if {
	not known_subject
} else := "type_mismatch" if {
	{input.subject.type, object.get(context, "actor_type", "")} != {actor.type}
} else := "missing_fingerprint" if {
	not has_fingerprint
} else := "disallowed_principal" if {
	count(principals) == 0
} else := "disallowed_principal" if {
	count(excess) > 0
} else := "ttl_out_of_bounds" if {
	ttl_hours > actor.ttl_hours
} else := "ttl_out_of_bounds" if {
	ttl_hours <= 0
} else := "signing_policy_matched"
