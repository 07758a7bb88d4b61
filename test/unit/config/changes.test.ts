import { describe, expect, it } from 'vitest';
import { changeLines, configChanges, restartKeys } from '../../../src/config/changes.ts';
import type { Config } from '../../../src/config/config.ts';
import { INVENTORY, type Workspace, workspace } from './workspace.ts';

const SECRETS = { ca: 'PEM-OF-THE-CA', key: 'PEM-OF-THE-KEY', file: '/secret/token' };

function lane(id: string, login = 'ops'): string {
  const entry = { id, status: 'active', warden_executes: true, title: id, need_keywords: ['ssh'] };
  const ssh = { hosts: [`${id}.test`], logins: [login], role: 'jit' };
  return JSON.stringify({ ...entry, owner_repo: 'me', reviewed: '2026-11-23', ssh });
}

function loaded(made: Workspace, warden: string, lanes: readonly string[], inventory = INVENTORY): Config {
  made.warden(`actor: adm-example\n${warden}`);
  made.inventory(inventory);
  made.lanes(`entries:\n${lanes.map((each) => `  - ${each}\n`).join('')}`);
  return made.load();
}

describe('what differs', () => {
  it('is lanes by id, one that only moved left out', () => {
    const made = workspace();
    const former = loaded(made, '', [lane('a'), lane('b'), lane('c')]);
    const next = loaded(made, '', [lane('c'), lane('b', 'root'), lane('d')]);
    expect(configChanges(former, next)).toEqual(['lane a removed', 'lane b changed', 'lane d added']);
    expect(configChanges(next, next)).toEqual([]);
    expect(configChanges(undefined, next).filter((change) => change.startsWith('lane'))).toHaveLength(3);
  });

  it('is actors by name, and the lanes that are theirs', () => {
    const made = workspace();
    const former = loaded(made, '', [lane('a')]);
    const fewer = INVENTORY.replace('adm-full, adm-read', 'adm-full').replace(/ {2}atm-example.*\n/, '');
    expect(configChanges(former, loaded(made, '', [lane('a')], fewer))).toEqual([
      'lane a changed',
      'actor adm-example changed',
      'actor atm-example removed',
    ]);
  });

  it('is keys by their name in the file, and no value', () => {
    const former = loaded(workspace(), '', [lane('a')]);
    const { openbao, agent } = former;
    const next: Config = {
      ...former,
      openbao: {
        ...openbao,
        addresses: ['https://secret.test'],
        roleMap: { adm: 'secret-role' },
        tls: { ...openbao.tls, ca: SECRETS.ca, clientKey: SECRETS.key, serverName: 'secret' },
        auth: { method: 'token', tokenEnv: [], tokenFile: SECRETS.file },
      },
      agent: { ...agent, sshPrograms: ['/secret/ssh'], socket: '/secret/socket', upstream: '/secret/agent' },
      stateDir: '/secret',
    };
    const changes = configChanges(former, next);
    expect([...changes].sort()).toEqual(
      ['addr', 'auth', 'ca_cert', 'client_key', 'role_map', 'tls_server_name']
        .map((key) => `openbao.${key} changed`)
        .concat('agent.ssh_programs changed')
        .sort(),
    );
    expect(changes.join()).not.toMatch(/secret|PEM/i);
    const started = { socket: agent.socket, upstream: agent.upstream, stateDir: former.stateDir };
    expect(restartKeys(started, former)).toEqual([]);
    expect(restartKeys(started, next)).toEqual(['agent.socket', 'agent.upstream', 'state_dir']);
  });
});

describe('lines of changes', () => {
  it('hold every change, in order, as few lines as records take', () => {
    expect(changeLines([])).toEqual([]);
    expect(changeLines(['a', 'b'])).toEqual(['a; b']);
    const many = Array.from({ length: 200 }, (_, n) => `lane number-${n} added`);
    const lines = changeLines(many);
    expect(lines.join('; ')).toBe(many.join('; '));
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(380);
    expect(lines.length).toBeLessThan(15);
  });
});
