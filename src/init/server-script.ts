/**
 * What OpenBao's administrator runs once: a POSIX shell script that can be read and run again. The role is design.md's "Roles for the
 * agent are their own": named principals, ed25519 only, five minutes at most, no key ids from the client, a terminal and nothing else.
 * OpenBao's documentation: "SSH secrets engine", "Policies". The values pass `CHECKS` of set-up.ts: nothing in them means anything to sh.
 */
import { shellWord } from '../system/shell-word.ts';

export interface ServerSetUp {
  readonly mount: string;
  readonly role: string;
  readonly principals: readonly string[];
  readonly namespace: string | undefined;
}

/** The script. */
export function serverScript({ mount, role, principals, namespace }: ServerSetUp): string {
  return `#!/bin/sh
# Sets OpenBao up for warden: an SSH engine with a CA, a role that signs, a policy for those who may use the role.
# Printed by \`warden init --server\`. Run it as OpenBao's administrator, with BAO_ADDR and a token as for any bao command.
# Safe to run again: an engine and a CA that are there stay as they are; the role and the policy become what stands here.
set -eu
${namespace === undefined ? '' : `\nexport BAO_NAMESPACE=${shellWord(namespace)}\n`}
mount=${mount}
role=${role}
# Names that people log in as on the hosts, comma-separated. The role is the real limit: whoever steals a token has the role.
users=${principals.join(',')}

type=$(bao secrets list | awk -v mount="$mount/" '$1 == mount { print $2 }')
case $type in
'') bao secrets enable -path="$mount" ssh ;;
ssh) ;;
*) echo "$mount/ is an engine of type $type: choose another mount" >&2; exit 1 ;;
esac

# An RSA key, OpenBao's own choice, would cost it ten times as much for each login.
ca=$(bao read -field=public_key "$mount/config/ca" 2>&1) || case $ca in
*'Code: 400'*) bao write "$mount/config/ca" generate_signing_key=true key_type=ed25519 ;;
*) echo "$ca" >&2; exit 1 ;;
esac

bao write "$mount/roles/$role" - <<JSON
{ "key_type": "ca", "allow_user_certificates": true, "allowed_users": "$users", "max_ttl": "5m", "ttl": "2m",
  "allowed_user_key_lengths": { "ed25519": 0 }, "allow_user_key_ids": false,
  "default_extensions": { "permit-pty": "" }, "allowed_extensions": "permit-pty" }
JSON

# Reading the role is for \`warden init\` and \`warden doctor\`; logins need only the first line.
bao policy write "$role" - <<HCL
path "$mount/sign/$role" { capabilities = ["update"] }
path "$mount/roles/$role" { capabilities = ["read"] }
HCL

bao read -field=public_key "$mount/config/ca" > warden_user_ca.pub
cat <<TEXT
OpenBao is ready. On each host, put warden_user_ca.pub (written here) into /etc/ssh, two lines into sshd_config, and reload sshd:
  TrustedUserCAKeys /etc/ssh/warden_user_ca.pub
  LogLevel VERBOSE
Everybody who may log in needs a token with the policy $role: from a login method of yours, or for a try:
  bao token create -policy=$role -display-name=NAME
TEXT
`;
}
