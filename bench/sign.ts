/** `warden sign`, with a daemon and without, as tools run it: beside `bao write -field=signed_key` and an empty node, on a real OpenBao. */
import { makeKey } from '../test/support/keys.ts';
import { openbaoBinary, startOpenBao } from '../test/support/openbao.ts';
import { LAUNCHER, startWarden } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { median } from './statistics.ts';

const ROUNDS = 60;

async function run(): Promise<readonly Figure[]> {
  const bao = await startOpenBao({ role: { max_ttl: '1h' } });
  const warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
    lanes: {},
    principals: ['ops'],
    actors: { 'agt-bench': { type: 'agt', principals: ['ops'], ttl_hours: 1 } },
    knownHosts: [],
  });
  try {
    const key = `${(await makeKey(warden.dir.path, 'bench')).path}.pub`;
    const sign = [LAUNCHER, 'sign', 'agt-bench', '--pubkey', key];
    const write = [openbaoBinary() ?? 'bao', 'write', '-field=signed_key', `${bao.mount}/sign/${bao.role}`];
    const [node = [], bare = [], daemon = [], alone = []] = await rounds(ROUNDS, [
      { argv: [process.execPath, '-e', '0'], env: {} },
      {
        argv: [...write, 'valid_principals=ops', `public_key=@${key}`],
        env: { BAO_ADDR: bao.addr, BAO_TOKEN: bao.token },
      },
      { argv: sign, env: warden.env, quiet: true },
      { argv: sign, env: { ...warden.env, WARDEN_SOCKET: '/nonexistent/agent.sock' }, quiet: true },
    ]);
    const [emptyMs, baoMs, daemonMs, aloneMs] = [node, bare, daemon, alone].map((times) => median(times));
    if (emptyMs === undefined || baoMs === undefined || daemonMs === undefined || aloneMs === undefined)
      throw new Error('nothing was measured');
    const ms = (value: number) => `${digits(value)} ms`;
    return [
      {
        name: '`warden sign` with a daemon, beside `bao write -field=signed_key`',
        value: daemonMs / baoMs,
        unit: '×',
        atMost: 0.5,
        beside: `${ms(daemonMs)}; bao ${ms(baoMs)}, node ${ms(emptyMs)}; ${ROUNDS} rounds`,
      },
      {
        name: '`warden sign` without one, beside `node -e 0`',
        value: aloneMs / emptyMs,
        unit: '×',
        atMost: 1.6,
        beside: `${ms(aloneMs)}; node ${ms(emptyMs)}, bao ${ms(baoMs)}; ${ROUNDS} rounds`,
      },
    ];
  } finally {
    await warden.remove();
    await bao.stop();
  }
}

export const signBench: Bench = {
  name: 'sign',
  about: 'warden sign, beside bao write and an empty node process',
  run,
};
