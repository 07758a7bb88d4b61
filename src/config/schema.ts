/**
 * The schema of warden.yaml: every key that it may have, with its documentation and its default. docs/configuration.md
 * is generated from it. The keys of ops-warden are accepted under the names it gave them (`vault:`, `token_env`,
 * `ca_key`, `policy.flex_auth_url`…).
 */
import * as z from 'zod';
import { argv, key, variable, words } from './schema-parts.ts';
import { SIZE_FORM } from './size.ts';
import { workerSchema } from './worker-schema.ts';

/** What a key is when neither the command line, the environment nor the file says; load.ts applies them. */
export const DEFAULTS = {
  addr: 'https://127.0.0.1:8200',
  mount: 'ssh',
  key_id: 'none',
  token_env: ['BAO_TOKEN', 'VAULT_TOKEN'],
  token_file: '~/.vault-token',
  known_hosts: ['~/.ssh/known_hosts', '~/.ssh/known_hosts2', '/etc/ssh/ssh_known_hosts'],
  direct_peers: 'ssh',
  tell: 'terminal',
  policy_engine: 'flex-auth',
  policy_url: 'http://127.0.0.1:8080',
  policy_path: 'warden/gate',
  tenant: 'tenant:platform',
  subject_env: 'WARDEN_POLICY_SUBJECT',
  system: 'ops-warden',
  programs: ['bao', 'secrets-engine'],
  redirect_uri: 'http://localhost:8250/oidc/callback',
  segment_size: '64MiB',
} as const;

const oneOrMore = z.union(
  [words, z.array(words).min(1, 'must not be empty').max(16, 'has more than 16 entries')],
  {
    error: 'must be a text or a list of texts',
  },
);
const size = z
  .string({ error: 'must be a size with a unit: 256KiB, 64MiB, 10GiB' })
  .regex(SIZE_FORM, 'must be a size with a unit: 256KiB, 64MiB, 10GiB');

/** A key's or a CA's fingerprint as `ssh-keygen -l` prints it. */
export const fingerprint = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be a fingerprint SHA256:… as ssh-keygen -lf prints it');

/** A role or mount of OpenBao: path segments without `.` and `..`. */
export const baoPath = words.regex(
  /^(?!\.\.?(\/|$))[\w.-]+(\/(?!\.\.?(\/|$))[\w.-]+)*$/,
  'must be letters, digits, . _ - (and / between parts), without a leading or closing /',
);

const auth = z.strictObject({
  method: key(
    z.enum(['token', 'approle', 'jwt', 'kubernetes', 'cert', 'none', 'userpass', 'oidc']),
    'How to log in to OpenBao: docs/openbao.md. `none`: the proxy at `addr` does.',
    'token',
  ),
  mount: key(baoPath, 'Where the method is mounted, behind `auth/`.', 'the method’s name'),
  role: key(
    words,
    'The role of `jwt`, `kubernetes` and, where it is to be a certain one, `cert` and `oidc`.',
  ),
  role_id: key(words, 'The role id of `approle`; it is no secret.'),
  secret_id_file: key(words, 'File with the secret id, read at each login.'),
  secret_id_env: key(variable, 'The name of the environment variable that holds the secret id.'),
  secret_id_wrapped: key(z.boolean(), 'What is there is a wrapping token; it is unwrapped once.', 'false'),
  jwt_file: key(
    words,
    'File with the JWT, read at each login.',
    'of `kubernetes`: /var/run/secrets/kubernetes.io/serviceaccount/token',
  ),
  jwt_env: key(variable, 'The name of the environment variable that holds the JWT.'),
  username: key(
    words.regex(/^[^/\s?#%]+$/, 'must be a name without / and spaces'),
    'Who logs in with `userpass`; the password is asked for by `warden login`.',
  ),
  redirect_uri: key(
    words.regex(/^https?:\/\/[\x21-\x7e]+$/, 'must be a URL: http://localhost:8250/oidc/callback'),
    'Where the provider of `oidc` sends the browser back to: to warden on loopback, or with `callback_mode=direct` to OpenBao.',
    DEFAULTS.redirect_uri,
  ),
  inline: key(
    z.boolean(),
    'Log in within each request and hold no token; `approle`, `jwt` and `kubernetes`, OpenBao 2.5.4 or newer.',
    'false',
  ),
  token_env: key(
    variable,
    'The name of the environment variable that holds the token.',
    'BAO_TOKEN, then VAULT_TOKEN',
  ),
  token_file: key(
    words,
    'Read when no variable holds a token. BAO_TOKEN_PATH and VAULT_TOKEN_PATH fill it.',
    DEFAULTS.token_file,
  ),
  token_helper: key(
    words,
    'A program that prints the token when it is run with `get`; asked in the file’s place.',
    'what ~/.bao or ~/.vault says (BAO_CONFIG_PATH), unless token_file is given',
  ),
});

const openbao = z.strictObject({
  addr: key(
    oneOrMore,
    'URL of OpenBao (`unix:///path`: a Unix socket), or a list of them in the order to try. BAO_AGENT_ADDR, BAO_ADDR and their VAULT_ twins fill it.',
    DEFAULTS.addr,
  ),
  insecure_http: key(
    z.array(words).max(16),
    'Hosts that may be reached over plain http, beside loopback.',
    '[]',
  ),
  mount: key(baoPath, 'Where the SSH engine is mounted.', DEFAULTS.mount),
  namespace: key(words, 'OpenBao namespace. BAO_NAMESPACE and VAULT_NAMESPACE fill it.'),
  role_map: key(
    z.strictObject({
      adm: key(baoPath, 'Role for people.'),
      agt: key(baoPath, 'Role for agent programs.'),
      atm: key(baoPath, 'Role for automations.'),
    }),
    'Roles by actor type, for `warden sign`, `warden issue` and lanes without a role.',
  ),
  ca_cert: key(
    words,
    'PEM file with the CAs of OpenBao’s TLS certificate. BAO_CACERT (a file), else BAO_CACERT_BYTES (the text; both also VAULT_) fill it.',
    'the system’s CAs',
  ),
  ca_path: key(
    words,
    'Directory with such files, in the place of `ca_cert`; those below it count too. BAO_CAPATH (VAULT_) fills it.',
  ),
  client_cert: key(words, 'PEM file with a TLS client certificate. BAO_CLIENT_CERT (VAULT_) fills it.'),
  client_key: key(words, 'PEM file with its private key. BAO_CLIENT_KEY (VAULT_) fills it.'),
  tls_server_name: key(
    words,
    'The name to expect in OpenBao’s TLS certificate. BAO_TLS_SERVER_NAME (VAULT_) fills it.',
    'the address’s host',
  ),
  skip_verify: key(
    z.boolean(),
    'Accept any TLS certificate: the token goes to whoever answers. BAO_SKIP_VERIFY (VAULT_) fills it.',
    'false',
  ),
  ssh_ca: key(
    z.array(fingerprint).max(16),
    'Fingerprints of the CAs that may sign certificates.',
    'learnt from the mount, then pinned in state_dir',
  ),
  key_id: key(
    z.enum(['none', 'actor']),
    'What to ask for as the certificate’s key id: nothing (OpenBao names the token’s holder), or the actor’s name.',
    DEFAULTS.key_id,
  ),
  auth: key(auth, 'How to log in.'),
  token_env: key(variable, 'ops-warden’s place for `auth.token_env`.'),
});

const agent = z.strictObject({
  socket: key(
    words,
    'The agent’s socket; relative to $XDG_RUNTIME_DIR/warden, else /run/user/UID/warden, else state_dir/run. Flag --socket and WARDEN_SOCKET win.',
    'agent.sock',
  ),
  upstream: key(
    words,
    'The agent behind this one: `env` (the SSH_AUTH_SOCK that the daemon was started with), a path, or `none`. Flag --upstream and WARDEN_UPSTREAM win.',
    'env',
  ),
  known_hosts: key(
    z.array(words).max(64),
    'Files that prove the names of host keys.',
    DEFAULTS.known_hosts.join(', '),
  ),
  ssh_programs: key(
    z.array(words).min(1, 'must not be empty').max(64),
    'Programs whose first bind may count as direct.',
    '/usr/bin/ssh and the ssh on PATH, resolved',
  ),
  direct_peers: key(
    z.enum(['ssh', 'any']),
    '`any`: the bind’s own flag alone decides whether it is direct. Weaker; for containers and load tests.',
    DEFAULTS.direct_peers,
  ),
  tell: key(
    z.enum(['terminal', 'none']),
    'Where a person is told why a login got no certificate: one line on the caller’s terminal, or nowhere.',
    DEFAULTS.tell,
  ),
  notify_command: key(
    argv,
    'A program and its arguments that gets a line on its input where no terminal took it: why a login got no certificate, or that it waits for `warden login`. Each of the two at most every 30 s.',
    '[]',
  ),
});

const policy = z.strictObject({
  enabled: key(z.boolean(), 'Ask a policy decision point before each certificate: docs/policy.md.', 'false'),
  engine: key(z.enum(['flex-auth', 'authzen', 'opa']), 'Which dialect it speaks.', DEFAULTS.policy_engine),
  url: key(
    words,
    'Where it answers, as a base URL; plain http only to loopback, or with `insecure_http`.',
    DEFAULTS.policy_url,
  ),
  flex_auth_url: key(words, 'ops-warden’s name for `url`.'),
  insecure_http: key(
    z.boolean(),
    'Allow plain http to another machine: whoever is between decides.',
    'false',
  ),
  ca_cert: key(words, 'PEM file with the CAs of its TLS certificate.', 'the system’s CAs'),
  path: key(baoPath, 'Of `opa`: the rule’s path behind `/v1/data/`.', DEFAULTS.policy_path),
  fail_closed: key(z.boolean(), 'No answer is a denial.', 'true'),
  no_policy: key(
    z.boolean(),
    'Whether `warden access --fetch` and `--exec` may go without it by `--no-policy`, which the trail says.',
    'false',
  ),
  tenant: key(words, 'Tenant in the question.', DEFAULTS.tenant),
  subject_env: key(
    variable,
    'Name of the environment variable that names the subject; where it is unset, the actor is it.',
    DEFAULTS.subject_env,
  ),
  system: key(words, 'System in the question.', DEFAULTS.system),
});

const audit = z.strictObject({
  anchor_command: key(argv, 'A program and its arguments that gets each checkpoint on its input.', '[]'),
  segment_size: key(
    size,
    'At this size the trail goes on in a new file, as it does each day (UTC).',
    DEFAULTS.segment_size,
  ),
  compress: key(
    z.enum(['gzip', 'none']),
    'What is done with the files before it, but the newest of them.',
    'gzip',
  ),
  keep_days: key(
    z
      .number()
      .int('must be a whole number of days')
      .min(1, 'must be at least 1')
      .max(36_500, 'is more than 36500'),
    'A file all of whose records are older is removed; a signed tombstone in the trail says so.',
    'for ever',
  ),
  keep_size: key(size, 'While all files together are larger, the oldest is removed.', 'any size'),
});

const source = z
  .strictObject({
    type: z.enum(['trail', 'openbao', 'sshd', 'policy', 'records', 'reference']).meta({
      description:
        '`trail`: another machine’s trail; `openbao`: its audit device’s file; `sshd`: a host’s log; `policy`: decisions of OPA or flex-auth; `records`: JSON lines of a broker or secrets engine; `reference`: a log of ops-warden.',
    }),
    path: key(words, 'The log (of a trail: its directory). Of `sshd` it may be left out: systemd’s journal.'),
    name: key(words, 'What the view calls it.', 'type and path'),
    host: key(words, 'Of `sshd`: the host that the log is of.', 'what its lines say'),
    map: key(
      z.record(words, words).refine((map) => Object.keys(map).length <= 32, 'has more than 32 entries'),
      'Of `records`: where a field stands, as a dotted path: docs/activity.md.',
    ),
  })
  .refine(
    ({ type, path }) => path !== undefined || type === 'sshd',
    'needs a path: only sshd can do without (systemd’s journal)',
  );

const activity = z.strictObject({
  sources: key(
    z.array(source).max(64, 'has more than 64 entries'),
    'What `warden activity` reads beside the trail: docs/activity.md.',
    'this machine’s sshd log and ops-warden’s logs in state_dir, where they can be read',
  ),
});

/** warden.yaml as a whole. */
export const wardenSchema = z.strictObject({
  backend: key(
    z.enum(['openbao', 'vault', 'local']),
    '`vault` means the same as `openbao`. `local` (a CA key in a file) is refused: see `warden lab`.',
    'openbao',
  ),
  actor: key(words, 'Who `actor: self` in a lane is: a name in inventory.yaml. WARDEN_ACTOR wins.'),
  openbao: key(openbao, 'The signer.'),
  vault: key(openbao, 'ops-warden’s name for `openbao`, with the same keys; a file has one of them.'),
  inventory_path: key(
    words,
    'The inventory. WARDEN_INVENTORY_PATH wins.',
    '$XDG_CONFIG_HOME/warden/inventory.yaml',
  ),
  catalog_path: key(
    oneOrMore,
    'Directory with lanes (`*.yaml`), or one file; a list is layers, the later over the earlier, all over the shipped catalog. WARDEN_CATALOG_PATH wins.',
    '$XDG_CONFIG_HOME/warden/catalog',
  ),
  state_dir: key(
    words,
    'Where the trail and pinned CAs live. WARDEN_STATE_DIR wins.',
    '~/.local/state/warden',
  ),
  ca_key: key(words, 'ops-warden’s CA key file, of `backend: local`. Accepted, never read.'),
  agent: key(agent, 'The daemon.'),
  policy: key(policy, 'The gate.'),
  assist: key(
    z.strictObject({
      programs: key(
        z.array(words).max(64, 'has more than 64 entries'),
        'Programs that `warden access --exec` and `--fetch` may become: names on PATH, absolute paths.',
        DEFAULTS.programs.join(', '),
      ),
    }),
    'Credentials that others own.',
  ),
  audit: key(audit, 'The trail.'),
  activity: key(activity, 'The view over it.'),
  worker: key(workerSchema, 'The worker.'),
});

export type WardenYaml = z.output<typeof wardenSchema>;
export type OpenBaoYaml = NonNullable<WardenYaml['openbao']>;
export type AuthYaml = NonNullable<OpenBaoYaml['auth']>;
export type AgentYaml = NonNullable<WardenYaml['agent']>;
