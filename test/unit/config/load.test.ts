import { mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { INVENTORY, workspace } from './workspace.ts';

const FINGERPRINT = 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU';
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

/** The interface's file, without what it shows as elided (`url: …`) and with a real fingerprint. */
const INTERFACE_WARDEN = `backend: openbao              # "vault" means the same
actor: adm-example            # who \`actor: self\` in a lane is
openbao:                      # "vault:" is read as this block
  addr: https://bao.example.com:8200
  mount: ssh
  namespace: team-a
  role_map: { adm: adm-role, agt: agt-role, atm: atm-role }
  ca_cert: ~/.config/warden/bao-ca.pem
  ssh_ca: ["${FINGERPRINT}"]
  key_id: none                # none | actor
  auth: { method: token, token_env: VAULT_TOKEN }
inventory_path: ~/.config/warden/inventory.yaml
catalog_path: ~/.config/warden/catalog
state_dir: ~/.local/state/warden
agent:
  socket: agent.sock
  upstream: env
  known_hosts: [~/.ssh/known_hosts, ~/.ssh/known_hosts2, /etc/ssh/ssh_known_hosts]
  ssh_programs: [/usr/bin/ssh]
  direct_peers: ssh
  tell: terminal
  notify_command: []
policy: { enabled: false, engine: flex-auth, url: "http://127.0.0.1:8080", fail_closed: true }
audit: { anchor_command: [] }
`;

const INTERFACE_LANE = `entries:
  - id: prod-hosts
    title: SSH to production hosts
    need_keywords: [ssh, production, shell]
    owner_repo: ops-warden
    warden_executes: true
    status: active
    reviewed: 2026-11-22
    ssh:
      hosts: ["*.prod.example.com", "10.20.0.0/16", "[bastion.example.com]:2222"]
      host_keys: ["${FINGERPRINT}"]
      host_ca: ["${FINGERPRINT}"]
      actor: self
      actors: [adm, agt]
      logins: [ops, root]
      principals: [adm-full]
      ttl: 2m
      role: warden-jit-adm
      extensions: [permit-pty]
      critical_options: {}
      upstream: hide
      forwarded: never
      unbound: deny
      reuse: 0s
      deadline: 3s
`;

describe('files that must load', () => {
  it('loads the interface’s examples', () => {
    const home = workspace();
    home.write('.config/warden/bao-ca.pem', PEM);
    const file = home.warden(INTERFACE_WARDEN);
    home.inventory(
      'actors:\n  adm-example: { type: adm, principals: [adm-full], ttl_hours: 48, description: on-call }\n',
    );
    const lanes = home.lanes(INTERFACE_LANE);
    const config = home.load({ env: { XDG_RUNTIME_DIR: join(home.home, 'run') } });

    expect(config.file).toBe(file);
    expect(config.openbao).toEqual({
      addresses: ['https://bao.example.com:8200'],
      mount: 'ssh',
      namespace: 'team-a',
      roleMap: { adm: 'adm-role', agt: 'agt-role', atm: 'atm-role' },
      tls: { ca: PEM, clientCert: undefined, clientKey: undefined, serverName: undefined, skipVerify: false },
      sshCa: [FINGERPRINT],
      keyId: 'none',
      auth: { method: 'token', tokenEnv: ['VAULT_TOKEN'], tokenFile: join(home.home, '.vault-token') },
    });
    expect(config.agent.socket).toBe(join(home.home, 'run/warden/agent.sock'));
    expect(config.agent.sshPrograms).toEqual([realpathSync('/usr/bin/ssh')]);
    expect(config.agent.knownHosts[0]).toBe(join(home.home, '.ssh/known_hosts'));
    expect(config.stateDir).toBe(join(home.home, '.local/state/warden'));
    expect(config.actor?.name).toBe('adm-example');
    expect(config.warnings).toEqual([]);
    expect(config.lanes).toHaveLength(1);
    expect(config.lanes[0]).toMatchObject({
      id: 'prod-hosts',
      source: `${lanes}:2`,
      actor: { name: 'adm-example' },
      principals: ['adm-full'],
      ttlSeconds: 120,
      role: 'warden-jit-adm',
      extensions: ['permit-pty'],
      criticalOptions: {},
      upstream: 'hide',
      forwarded: [],
      unbound: false,
      reuseMs: 0,
      deadlineMs: 3000,
    });
    expect(config.lanes[0]?.hosts.map(({ kind }) => kind)).toEqual(['glob', 'cidr', 'exact']);
  });

  it('loads the reference’s documented file unchanged', () => {
    const home = workspace();
    home.inventory(INVENTORY);
    home.warden(`backend: vault
ca_key: ~/.ssh/ops-ca-user
inventory_path: ~/.config/warden/inventory.yaml
state_dir: ~/.local/state/warden
vault:
  addr: https://bao.coulomb.social
  mount: ssh
  role_map:
    adm: adm-role
    agt: agt-role
    atm: atm-role
  token_env: VAULT_TOKEN
policy:
  enabled: false
  flex_auth_url: http://127.0.0.1:8080
  fail_closed: true
  tenant: tenant:platform
  subject_env: WARDEN_POLICY_SUBJECT
  system: ops-warden
`);
    const config = home.load();
    expect(config.openbao.addresses).toEqual(['https://bao.coulomb.social']);
    expect(config.openbao.roleMap).toEqual({ adm: 'adm-role', agt: 'agt-role', atm: 'atm-role' });
    expect(config.openbao.auth).toMatchObject({ method: 'token', tokenEnv: ['VAULT_TOKEN'] });
    expect(config.origin.get('openbao.addr')).toBe('warden.yaml:6');
    expect(config.warnings).toEqual(['ca_key is never read: OpenBao holds the CA']);
  });

  it('needs no file', () => {
    const home = workspace();
    const config = home.load();
    expect(config.file).toBeUndefined();
    expect(config.lanes).toEqual([]);
    expect(config.openbao.addresses).toEqual(['https://127.0.0.1:8200']);
    expect(config.openbao.auth).toMatchObject({ method: 'token', tokenEnv: ['BAO_TOKEN', 'VAULT_TOKEN'] });
    expect(config.agent.socket).toBe(join(home.home, '.local/state/warden/run/agent.sock'));
    expect(new Set(config.origin.values())).toEqual(new Set(['default']));
  });

  it('takes an empty file for no file', () => {
    const home = workspace();
    home.warden('# nothing yet\n');
    expect(home.load().openbao.mount).toBe('ssh');
  });
});

describe('precedence', () => {
  it('takes flag, WARDEN_, file, default, in this order', () => {
    const home = workspace();
    home.warden('agent: { socket: file.sock, upstream: /file/up }\nstate_dir: state\n');
    const env = {
      WARDEN_SOCKET: '/env/warden.sock',
      WARDEN_UPSTREAM: '/env/up',
      WARDEN_STATE_DIR: '/env/state',
    };
    const flags = { socket: '/flag/warden.sock', upstream: 'none' };

    const fromFile = home.load();
    expect(fromFile.agent.socket).toBe(join(home.home, '.config/warden/state/run/file.sock'));
    expect(fromFile.agent.upstream).toBe('/file/up');
    expect(fromFile.origin.get('agent.socket')).toBe('warden.yaml:1');

    const fromEnv = home.load({ env });
    expect(fromEnv.agent.socket).toBe('/env/warden.sock');
    expect(fromEnv.agent.upstream).toBe('/env/up');
    expect(fromEnv.stateDir).toBe('/env/state');
    expect(fromEnv.origin.get('state_dir')).toBe('WARDEN_STATE_DIR');

    const fromFlag = home.load({ env, flags });
    expect(fromFlag.agent.socket).toBe('/flag/warden.sock');
    expect(fromFlag.agent.upstream).toBeUndefined();
    expect(fromFlag.origin.get('agent.upstream')).toBe('flag');
  });

  it('lets BAO_ and VAULT_ fill only what the file leaves out', () => {
    const home = workspace();
    const env = {
      BAO_ADDR: 'https://bao.env:1',
      VAULT_ADDR: 'https://vault.env:2',
      VAULT_NAMESPACE: 'vault-ns',
      BAO_TLS_SERVER_NAME: 'sni',
      BAO_TOKEN_PATH: '/run/token',
      BAO_SKIP_VERIFY: 'true',
    };
    const without = home.load({ env });
    expect(without.openbao.addresses).toEqual(['https://bao.env:1']);
    expect(without.openbao.namespace).toBe('vault-ns');
    expect(without.openbao.tls).toMatchObject({ serverName: 'sni', skipVerify: true });
    expect(without.openbao.auth).toMatchObject({ tokenFile: '/run/token' });
    expect(without.origin.get('openbao.addr')).toBe('BAO_ADDR');
    expect(without.origin.get('openbao.namespace')).toBe('VAULT_NAMESPACE');
    expect(without.warnings).toEqual([
      'openbao.skip_verify (BAO_SKIP_VERIFY): the token goes to whoever answers',
    ]);

    home.warden(
      'openbao: { addr: ["https://one:1/", "https://two:2/bao/"], namespace: mine, skip_verify: false }\n',
    );
    const filled = home.load({ env });
    expect(filled.openbao.addresses).toEqual(['https://one:1', 'https://two:2/bao']);
    expect(filled.openbao.namespace).toBe('mine');
    expect(filled.openbao.tls.skipVerify).toBe(false);
  });

  it('lets BAO_X hide VAULT_X even when it is empty, and AGENT_ADDR override ADDR', () => {
    const home = workspace();
    const hidden = home.load({ env: { BAO_ADDR: '', VAULT_ADDR: 'https://vault.env:2' } });
    expect(hidden.openbao.addresses).toEqual(['https://127.0.0.1:8200']);
    const agent = home.load({
      env: { VAULT_AGENT_ADDR: 'http://127.0.0.1:8100', BAO_ADDR: 'https://bao.env:1' },
    });
    expect(agent.openbao.addresses).toEqual(['http://127.0.0.1:8100']);
  });

  it('takes the CA from the environment as bytes or file', () => {
    const home = workspace();
    const ca = home.write('ca.pem', PEM);
    expect(home.load({ env: { VAULT_CACERT: ca } }).openbao.tls.ca).toBe(PEM);
    expect(home.load({ env: { BAO_CACERT_BYTES: PEM, BAO_CAPATH: '/nowhere' } }).openbao.tls.ca).toBe(PEM);
    // As `bao` does [tried]: the file counts before the text.
    expect(home.load({ env: { BAO_CACERT_BYTES: 'no PEM', BAO_CACERT: ca } }).openbao.tls.ca).toBe(PEM);
    expect(home.lines({ env: { BAO_CACERT: '/nowhere' } })).toEqual([
      "environment: BAO_CACERT: /nowhere can't be read (ENOENT)",
    ]);
  });

  it('takes the CAs of a directory, each once, whatever else lies there', () => {
    const home = workspace();
    const one = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    const two = '-----BEGIN TRUSTED CERTIFICATE-----\nBBBB\n-----END TRUSTED CERTIFICATE-----';
    mkdirSync(join(home.home, 'cas/sub'), { recursive: true });
    home.write('cas/README', 'not PEM\n');
    home.write('cas/one.pem', `words before\n${one}\n${two}`);
    const key = '-----BEGIN PRIVATE KEY-----\nCCCC\n-----END PRIVATE KEY-----';
    home.write('cas/sub/two.pem', `${key}\n${two}\n`);
    symlinkSync(join(home.home, 'cas/one.pem'), join(home.home, 'cas/0a1b2c3d.0'));
    symlinkSync('/nowhere', join(home.home, 'cas/dangling'));
    const directory = join(home.home, 'cas');
    const both = `${one}\n${two}\n`;
    expect(home.load({ env: { VAULT_CAPATH: directory } }).openbao.tls.ca).toBe(both);
    home.warden('openbao: { ca_path: ~/cas }\n');
    const { openbao, origin } = home.load({ env: { BAO_CACERT: '/nowhere', BAO_CACERT_BYTES: 'x' } });
    expect(openbao.tls.ca).toBe(both);
    expect(origin.get('openbao.ca_path')).toBe('warden.yaml:1');
    home.warden('openbao: { ca_path: ~/cas, ca_cert: ~/cas/one.pem }\n');
    expect(home.lines()).toEqual(['warden.yaml:1: openbao.ca_path: stands beside ca_cert']);
  });

  it('says what is wrong with a directory of CAs', () => {
    const home = workspace();
    const say = (directory: string) => home.lines({ env: { BAO_CAPATH: directory } });
    expect(say('/nowhere')).toEqual(["environment: BAO_CAPATH: /nowhere can't be read (ENOENT)"]);
    const empty = join(home.home, 'empty');
    mkdirSync(empty);
    expect(say(empty)).toEqual(['environment: BAO_CAPATH: ~/empty has no file with a certificate']);
    for (let i = 0; i <= 2_000; i += 1) home.write(`empty/${i}`, '');
    expect(say(empty)).toEqual(['environment: BAO_CAPATH: ~/empty has more than 2000 files']);
  });

  it('says a bad value of the environment as the variable', () => {
    const home = workspace();
    home.warden('openbao:\n  mount: ssh\n');
    expect(home.lines({ env: { VAULT_ADDR: 'http://bao.env' } })).toEqual([
      'environment: VAULT_ADDR: plain http to bao.env would show the token to the network',
    ]);
  });

  it('takes WARDEN_ACTOR before the file', () => {
    const home = workspace();
    home.inventory(INVENTORY);
    home.warden('actor: adm-example\n');
    expect(home.load({ env: { WARDEN_ACTOR: 'agt-example' } }).actor?.name).toBe('agt-example');
    expect(home.lines({ env: { WARDEN_ACTOR: 'agt-nobody' } })).toEqual([
      'environment: WARDEN_ACTOR: is not in the inventory',
    ]);
  });
});

describe('the agent’s paths', () => {
  it('takes SSH_AUTH_SOCK as upstream, unless it is warden’s own socket by any name', () => {
    const home = workspace();
    mkdirSync(join(home.home, 'run/warden'), { recursive: true });
    symlinkSync(join(home.home, 'run'), join(home.home, 'link'));
    const env = { XDG_RUNTIME_DIR: join(home.home, 'run') };
    expect(home.load({ env: { ...env, SSH_AUTH_SOCK: '/tmp/other' } }).agent.upstream).toBe('/tmp/other');
    const own = home.load({ env: { ...env, SSH_AUTH_SOCK: join(home.home, 'link/warden/agent.sock') } });
    expect(own.agent.upstream).toBeUndefined();
    expect(own.warnings.join()).toContain("agent.upstream is warden's own socket");
  });

  it('resolves the ssh on PATH, and says when a named program is missing', () => {
    const home = workspace();
    const bin = join(home.home, 'bin');
    mkdirSync(bin);
    const ssh = home.write('opt/ssh-10', '', 0o700);
    symlinkSync(ssh, join(bin, 'ssh'));
    const programs = home.load({ env: { PATH: `relative:${bin}:/usr/bin` } }).agent.sshPrograms;
    expect(programs).toEqual([realpathSync('/usr/bin/ssh'), ssh]);
    home.warden('agent: { ssh_programs: [/nowhere/ssh] }\n');
    const none = home.load();
    expect(none.agent.sshPrograms).toEqual([]);
    expect(none.warnings).toContain('agent.ssh_programs: there is no /nowhere/ssh');
  });

  it('warns of direct_peers: any', () => {
    const home = workspace();
    home.warden('agent: { direct_peers: any }\n');
    expect(home.load().warnings.join()).toContain('agent.direct_peers: any');
  });

  it('refuses a socket path that the kernel can’t hold, and takes one of 107 bytes', () => {
    const home = workspace();
    expect(home.load({ flags: { socket: `/${'s'.repeat(106)}` } }).agent.socket).toHaveLength(107);
    const error = home.error({ flags: { socket: `/${'s'.repeat(107)}` } });
    expect(error.code).toBe('socket_path');
    expect(error.message).toContain('command line: --socket: the path has 108 bytes');
    home.warden(`agent:\n  socket: /${'é'.repeat(60)}\n`);
    expect(home.error()).toMatchObject({ code: 'socket_path', exit: 78 });
    expect(home.error().message).toContain('warden.yaml:2: agent.socket: the path has 121 bytes');
  });
});
