package warden.gate_test

import data.warden.gate

actors := {"agt-state-hub-bridge": {"type": "agt", "principals": ["agt-task-bridge"], "ttl_hours": 24}}

good := {
	"subject": {"type": "agt", "id": "agt-state-hub-bridge"},
	"action": {"name": "sign"},
	"resource": {"type": "ssh-certificate", "id": "ssh-cert:actor/agt-state-hub-bridge"},
	"context": {
		"actor_type": "agt",
		"principals": ["agt-task-bridge"],
		"pubkey_fingerprint": "SHA256:abc",
		"ttl_hours": 24,
	},
}

decides(patch, allow, reason) if {
	changed := json.patch(good, patch)
	gate.allow == allow with input as changed with data.warden.actors as actors
	gate.reason == reason with input as changed with data.warden.actors as actors
}

test_allows if decides([], true, "signing_policy_matched")

test_allows_the_iam_subject if decides(
	[{"op": "replace", "path": "/subject/id", "value": "iam:agt-state-hub-bridge"}],
	true,
	"signing_policy_matched",
)

test_wrong_action if decides([{"op": "replace", "path": "/action/name", "value": "delete"}], false, "wrong_action")

test_other_resource if decides([{"op": "replace", "path": "/resource/type", "value": "credential"}], false, "no_matching_rule")

test_unknown_actor if decides(
	[{"op": "replace", "path": "/resource/id", "value": "ssh-cert:actor/agt-nobody"}],
	false,
	"unknown_actor_resource",
)

test_unknown_subject if decides([{"op": "replace", "path": "/subject/id", "value": "agt-other"}], false, "unknown_subject")

test_type_mismatch if decides([{"op": "replace", "path": "/subject/type", "value": "adm"}], false, "type_mismatch")

test_actor_type_mismatch if decides([{"op": "replace", "path": "/context/actor_type", "value": "adm"}], false, "type_mismatch")

test_missing_fingerprint if decides([{"op": "remove", "path": "/context/pubkey_fingerprint"}], false, "missing_fingerprint")

test_disallowed_principal if decides(
	[{"op": "add", "path": "/context/principals/-", "value": "root"}],
	false,
	"disallowed_principal",
)

test_no_principal if decides([{"op": "replace", "path": "/context/principals", "value": []}], false, "disallowed_principal")

test_ttl_above_the_cap if decides([{"op": "replace", "path": "/context/ttl_hours", "value": 24.1}], false, "ttl_out_of_bounds")

test_ttl_of_nothing if decides([{"op": "replace", "path": "/context/ttl_hours", "value": 0}], false, "ttl_out_of_bounds")

test_ttl_missing if decides([{"op": "remove", "path": "/context/ttl_hours"}], false, "ttl_out_of_bounds")

credentials := {"openbao-api-key": {"subjects": ["agt-state-hub-bridge"]}}

fetches(lane, patch, allow, reason) if {
	asked := json.patch(good, array.concat(
		[
			{"op": "replace", "path": "/action/name", "value": "fetch"},
			{"op": "replace", "path": "/resource", "value": {"type": "credential", "id": lane}},
		],
		patch,
	))
	gate.allow == allow with input as asked with data.warden.credentials as credentials
	gate.reason == reason with input as asked with data.warden.credentials as credentials
}

test_fetch if fetches("credential:openbao-api-key", [], true, "credential_policy_matched")

test_exec if fetches(
	"credential:openbao-api-key",
	[{"op": "replace", "path": "/action/name", "value": "exec"}],
	true,
	"credential_policy_matched",
)

test_fetch_of_another if fetches("credential:openrouter-llm-connect", [], false, "unknown_subject")

test_fetch_by_another if fetches(
	"credential:openbao-api-key",
	[{"op": "replace", "path": "/subject/id", "value": "agt-other"}],
	false,
	"unknown_subject",
)

test_other_resource_of_that_type if fetches(
	"credential:openbao-api-key",
	[{"op": "replace", "path": "/action/name", "value": "delete"}],
	false,
	"wrong_action",
)

test_no_input if {
	not gate.allow with input as {} with data.warden.actors as actors
}
