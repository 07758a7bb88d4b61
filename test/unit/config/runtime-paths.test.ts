import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runtimePaths } from '../../../src/config/runtime-paths.ts';
import { workspace } from './workspace.ts';

describe('runtimePaths', () => {
  it('looks for sockets in XDG_RUNTIME_DIR, then the user’s runtime directory, then state_dir', () => {
    const home = workspace();
    const runUser = join(home.home, 'run-user');
    mkdirSync(join(runUser, String(home.uid)), { recursive: true });
    const paths = runtimePaths(home.input({ env: { XDG_RUNTIME_DIR: '/xdg' } }));
    expect(paths.sockets.map(({ value }) => value)).toEqual([
      '/xdg/warden/agent.sock',
      join(runUser, String(home.uid), 'warden/agent.sock'),
      join(home.home, '.local/state/warden/run/agent.sock'),
    ]);
    expect(paths.configFile).toBe(join(home.home, '.config/warden/warden.yaml'));
    expect(paths.configNamed).toBe(false);
  });

  it('names each place once', () => {
    const home = workspace();
    const runUser = join(home.home, 'run-user');
    mkdirSync(join(runUser, String(home.uid)), { recursive: true });
    const env = { XDG_RUNTIME_DIR: join(runUser, String(home.uid)) };
    expect(runtimePaths(home.input({ env })).sockets).toHaveLength(2);
  });

  it('ignores relative XDG directories, and puts WARDEN_SOCKET into the runtime directory', () => {
    const home = workspace();
    const paths = runtimePaths(
      home.input({ env: { XDG_RUNTIME_DIR: 'run', XDG_CONFIG_HOME: 'conf', WARDEN_SOCKET: 'other.sock' } }),
    );
    expect(paths.configFile).toBe(join(home.home, '.config/warden/warden.yaml'));
    expect(paths.sockets).toEqual([
      { value: join(home.home, '.local/state/warden/run/other.sock'), origin: 'WARDEN_SOCKET' },
    ]);
  });

  it('expands ~, and takes flags from the working directory', () => {
    const home = workspace();
    const paths = runtimePaths(
      home.input({ flags: { config: '~/w.yaml', socket: 'here.sock', upstream: 'env' } }),
    );
    expect(paths.configFile).toBe(join(home.home, 'w.yaml'));
    expect(paths.configNamed).toBe(true);
    expect(paths.sockets).toEqual([{ value: join(process.cwd(), 'here.sock'), origin: 'flag' }]);
    expect(paths.upstream).toEqual({ value: undefined, origin: 'flag' });
  });
});
