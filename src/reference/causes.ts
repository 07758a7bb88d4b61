/** For each code of errors.ts: what brings it about, and what helps. Sentences for docs/troubleshooting.md; the messages themselves carry the particulars. */
import type { ErrorCode } from '../errors.ts';

export interface Explained {
  readonly cause: string;
  readonly cure: string;
}

export const CAUSES: Readonly<Record<ErrorCode, Explained>> = {
  usage: {
    cause: 'The command was given words that it does not know.',
    cure: '`warden COMMAND --help` has an example of each.',
  },
  malformed: {
    cause:
      'Something that should be SSH data, a record or an answer is not whole or not of its form: a broken client, a cut file.',
    cure: 'The message says what was read. If it came from a client of yours, try it against OpenSSH’s ssh-agent; then report it.',
  },
  bad_key: {
    cause: 'A key of a kind or length that warden does not take.',
    cure: 'Use ed25519; RSA from 2048 bits and ECDSA work as host keys and CAs.',
  },
  bad_certificate: {
    cause: 'A certificate that is not as PROTOCOL.certkeys has it, or not of the kind that belongs there.',
    cure: '`ssh-keygen -L -f FILE` shows what is in it. A host certificate: have it signed anew. From OpenBao: report it.',
  },
  limit_exceeded: {
    cause:
      'Something is larger, longer or slower than warden follows: a key line, a certificate, ssh_config files that include each other or do not answer.',
    cure: 'The message names it: make it smaller, or move it out of the way of the login.',
  },
  config_invalid: {
    cause:
      'A configuration file is wrong. Each mistake is said as `file:line: key: what is wrong (what to do)`; until it is right, a daemon that starts with it is a pure relay.',
    cure: 'Set right what the line names (docs/configuration.md has every key), `warden agent --check`, then `warden agent --reload`.',
  },
  config_missing: {
    cause: 'A file that was named, or that this command needs, is not there.',
    cure: '`warden init` writes a first configuration; or name the right file.',
  },
  config_permissions: {
    cause:
      'Others can write a file or enter a directory that decides who gets certificates, or warden may not write where it must.',
    cure: '`chmod go-w` the file, `chmod 700` the directory, or choose another place.',
  },
  socket_path: {
    cause:
      'The place of the agent’s socket can’t be used: too long for a Unix socket (107 bytes), taken by a file, not writable, or with characters that a shell or ssh would not read as they are.',
    cure: 'Choose another: `--socket`, `WARDEN_SOCKET`, `agent.socket`; or a shorter `XDG_RUNTIME_DIR`.',
  },
  socket_in_use: {
    cause: 'Another living agent serves that socket.',
    cure: 'Use it (`warden env`), stop it (`warden agent --stop`), or choose another socket.',
  },
  no_descriptors: {
    cause: 'More connections at once than the process may have open files.',
    cure: 'Raise the limit (`ulimit -n`, `LimitNOFILE=`) before the daemon starts, or find who holds the connections.',
  },
  no_binding: {
    cause:
      'The client has not said where it goes: OpenSSH older than 8.9, PuTTY, paramiko, Go and most libraries.',
    cure: 'Use OpenSSH 8.9 or newer; or a lane with `unbound: allow` and its destination socket (`warden agent socket HOST`).',
  },
  bad_binding: {
    cause:
      'The session-bind does not prove what it says: its signature is wrong, or it comes in an order that no ssh sends.',
    cure: 'If it is your ssh: report it with `ssh -v`. If not, somebody tries your agent: `warden activity` shows the caller.',
  },
  replayed_binding: {
    cause:
      'That session has had its certificate already, on another connection: a replay, or a client that asks again.',
    cure: 'Log in anew. If it comes again, look at who has your socket: forwarded agents, `ssh -R`.',
  },
  forwarded: {
    cause: 'The login came through a forwarded agent, and the lane lets nobody in from that host.',
    cure: '`ssh -J` in place of `ssh -A`; or name the hop in the lane’s `forwarded`.',
  },
  not_direct: {
    cause:
      'Nothing proves that this is your own login: the caller is no ssh of `agent.ssh_programs`, has bound another session before, asks on another’s behalf, or its own words lead to another host.',
    cure: 'The message says which. Usual: the host’s name is in no known_hosts that warden reads (`agent.known_hosts`), or your ssh is elsewhere (`agent.ssh_programs`).',
  },
  no_peer: {
    cause:
      'The kernel does not say who asks: another container, a hidden /proc, a platform other than Linux, or koffi is missing.',
    cure: 'Run the agent where ssh runs; or `agent.direct_peers: any`, which is weaker and says so in `warden status`.',
  },
  unknown_host_key: {
    cause: 'No file that warden reads knows this host key under any name.',
    cure: 'Log in once with the host’s line in known_hosts, add your file to `agent.known_hosts`, or pin the key in the lane (`host_keys`, `host_ca`).',
  },
  revoked_host_key: {
    cause: 'known_hosts has the key as `@revoked`.',
    cure: 'Ask whoever runs the host; take the line out only if it is wrong.',
  },
  no_lane: {
    cause: 'The host is known, and no lane covers any of its names.',
    cure: 'Add one of the names in the message to a lane’s `hosts`, then `warden agent --reload`.',
  },
  not_granted: {
    cause: 'More was asked for than the inventory grants the actor, or a change would leave it not good.',
    cure: '`warden inventory show ACTOR` says what it grants; ask for less, or change the file.',
  },
  wrong_socket: {
    cause: 'A destination socket was used for another host or login name than its own.',
    cure: '`warden agent socket HOST` prints the right one.',
  },
  file_locked: {
    cause: 'Another process is changing the inventory, or is the worker at work.',
    cure: 'Try again; `fuser -v` on the path in the hint finds who holds it.',
  },
  program_not_allowed: {
    cause:
      'The entry of the catalog, the gate or the list of programs (`assist.programs`) does not let warden become that program.',
    cure: 'The message says which of them; `warden route show ID` shows the entry and whose it is.',
  },
  program_missing: {
    cause: 'The owner’s program is not on this machine, or not on PATH.',
    cure: 'Install it, or name it by its absolute path in a catalog layer of your own and in `assist.programs`.',
  },
  policy_denied: {
    cause: 'The gate was asked, and said no; or it said yes under a condition that warden can’t meet.',
    cure: 'The message has its reason and the decision’s id: whoever runs the policy finds it by that. `warden policy check` asks it anew.',
  },
  policy_unavailable: {
    cause:
      'The gate is switched on and gave no answer within a second, or none of its dialect; without one nothing is issued (`policy.fail_closed`).',
    cure: 'Start it, or correct `policy.url` and `policy.engine`; in an emergency `warden policy break-glass --for 30m --reason …`.',
  },
  token_expired: {
    cause: 'OpenBao does not know the token any more: it has expired, was revoked, or has no uses left.',
    cure: '`bao login` again; the agent takes the new token from where it found the old one.',
  },
  login_refused: {
    cause: 'OpenBao did not accept the login that is to bring a token.',
    cure: 'The message has OpenBao’s reason; `warden doctor` shows which way to log in is configured.',
  },
  mint_busy: {
    cause: 'More logins wait for OpenBao than there is room or time for.',
    cure: 'Try again; fewer at once (ansible’s `forks`), or `reuse` in the lane.',
  },
  ambiguous_host_key: {
    cause: 'The host’s names lead to different lanes, and what was typed does not decide between them.',
    cure: 'ssh to one of the names in the message, or put them into one lane.',
  },
  actor_not_allowed: {
    cause: 'The lane is not for this type of actor, or not for this actor.',
    cure: 'Change `actors` or `actor` of the lane, or `actor` in warden.yaml.',
  },
  rate_limited: {
    cause:
      'More than 30 certificates a minute that nobody signed with: a program lists identities in a loop, or logins fail after the certificate was made.',
    cure: 'Wait a minute; `warden activity` shows which program and which host.',
  },
  agent_locked: { cause: 'The agent was locked: `ssh-add -x`.', cure: '`ssh-add -X`.' },
  sign_refused: {
    cause:
      'A minted key was asked to sign something other than the login that it was made for, or once more.',
    cure: 'Log in anew. The lane’s `logins` may not have the name: `ssh USER@HOST` with one that it has.',
  },
  no_token: {
    cause: 'There is no OpenBao token where warden looks, or nobody is logged in.',
    cure: '`warden login` where a person logs in (`userpass`, `oidc`); else `bao login`, which writes the token file, or start the daemon with `BAO_TOKEN` set. A lane with `wait_for_login` waits for it.',
  },
  bao_unreachable: {
    cause: 'No connection to OpenBao: nothing was sent.',
    cure: 'Network, `openbao.addr`, its certificate (`openbao.ca_cert`): `warden doctor` looks at each.',
  },
  bao_disconnected: {
    cause: 'The connection broke after it was made: OpenBao may have signed, and the trail has an orphan.',
    cure: 'Log in again. `warden activity` shows the orphan.',
  },
  bao_timeout: {
    cause: 'OpenBao did not answer in time.',
    cure: 'Log in again; is it overloaded? `deadline` in the lane waits longer.',
  },
  bao_sealed: { cause: 'OpenBao is sealed.', cure: 'Its administrator unseals it: `bao operator unseal`.' },
  bao_unavailable: {
    cause: 'OpenBao answers, and says that it can’t.',
    cure: 'Its log says why; warden asks again by itself.',
  },
  bao_paused: {
    cause:
      'OpenBao failed a moment ago, and logins are spared the wait while warden asks whether it is back.',
    cure: 'See the failure in the message; it ends by itself when OpenBao answers.',
  },
  bao_denied: {
    cause:
      'OpenBao refuses: the token’s policy does not allow the role, the token has ended, or the role does not exist.',
    cure: '`bao token lookup`; the policy must have `update` on `MOUNT/sign/ROLE` (`warden init --server` prints it).',
  },
  bao_rate_limited: {
    cause: 'OpenBao has a quota, and it is used up.',
    cure: 'Wait, or have the quota raised (`sys/quotas/rate-limit`).',
  },
  bao_bad_request: {
    cause: 'OpenBao’s role does not allow what the lane asks for.',
    cure: 'The message names the field: narrow the lane, or widen the role.',
  },
  bao_bad_answer: {
    cause: 'What answers is no OpenBao, or nothing that its documentation has.',
    cure: 'Is `openbao.addr` a proxy or a login page? Is `openbao.mount` an SSH engine?',
  },
  hub_unreachable: {
    cause: 'No connection to the State Hub, whose messages the worker answers. Nothing was sent.',
    cure: 'Is it running, and is `worker.hub_url` right? On a remote machine its tunnel ends at port 18000. `warden worker tick` skips until it is back.',
  },
  hub_failed: {
    cause:
      'The State Hub broke off, took longer than 10 s, or answered what is none of its answers: it may have done what it was asked.',
    cure: 'Look on the hub. The worker does not send a reply twice: the next run looks whether it arrived, and leaves it to a person where it did not.',
  },
  hub_refused: {
    cause: 'The State Hub has said no (4xx) to a reply or a note.',
    cure: 'Look at the message on the hub; its thread may be gone. `warden worker drafts` has the reply.',
  },
  certificate_refused: {
    cause:
      'OpenBao made another certificate than the lane asked for: wider, longer, for another key. It was thrown away.',
    cure: 'The message names the part: the role’s defaults are wider than the lane. Set right the role, or ask for that in the lane.',
  },
  unexpected_ca: {
    cause:
      'The certificate, or the mount, has another CA than the pinned one: the CA was changed, or somebody stands between.',
    cure: 'If the change is known: `openbao.ssh_ca`, or remove the pin that the message names. If not, ask OpenBao’s administrator first.',
  },
  trail_unwritable: {
    cause:
      'The trail can’t be written: disk full, no rights. Without a durable record there is no certificate.',
    cure: 'Make room or rights in `state_dir`; your other keys work meanwhile.',
  },
  trail_locked: {
    cause: 'Another process holds the trail’s lock for too long.',
    cure: 'Log in again; find a hanging warden process, or a file system without working locks (NFS).',
  },
  trail_tampered: {
    cause: 'Lines of the trail are not what warden wrote: changed, cut, reordered.',
    cure: '`warden audit verify` says from which record on. Keep the file, and find out who wrote to it.',
  },
  receiver_unreachable: {
    cause: 'Whoever the trail is exported to (`warden audit export`) does not answer, or took no more.',
    cure: 'Is it up, are the address and its CA right? Nothing is lost: the next run goes on behind what was taken, and `--follow` tries again by itself.',
  },
  state_unwritable: {
    cause: '`state_dir` can’t be written.',
    cure: 'Make rights or room there, or choose another `state_dir`.',
  },
  not_running: {
    cause: 'No daemon of this configuration answers.',
    cure: '`eval "$(warden agent --background)"`; with another configuration: `--config`.',
  },
  upstream_unavailable: {
    cause: 'The agent behind warden does not answer.',
    cure: 'Is it running, and `agent.upstream` its path? Certificates are made all the same.',
  },
  platform: {
    cause:
      'The machine lacks something that warden needs: koffi’s library, a user or home in the password database.',
    cure: 'The message names it. koffi: install the package with its dependencies, on a platform that it is built for.',
  },
  internal: { cause: 'A defect in warden.', cure: 'Please report it, with the message.' },
};
