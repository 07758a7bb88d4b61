/** `npm run bench [-- NAME …] [-- --json]`: each goal measured beside its real peer, printed as a Markdown table; `--json` as one JSON line. */
import { parseArgs } from 'node:util';
import { activityBench } from './activity.ts';
import { cliBench } from './cli.ts';
import { connectionsBench } from './connections.ts';
import { credentialsBench } from './credentials.ts';
import { daemonBench } from './daemon.ts';
import { driftBench } from './drift.ts';
import { failoverBench } from './failover.ts';
import { gateBench } from './gate.ts';
import { accessBench, loginBench } from './login.ts';
import { describeMachine } from './machine.ts';
import { mintBench } from './mint.ts';
import { postureBench } from './posture.ts';
import { relayBench } from './relay.ts';
import { type Figure, renderFigures, TABLE_HEAD, verdictOf } from './report.ts';
import { routeBench } from './route.ts';
import { signBench } from './sign.ts';
import { stormBench } from './storm.ts';
import { trailBench } from './trail.ts';
import { tunnelBench } from './tunnel.ts';
import { workerBench } from './worker.ts';

const BENCHES = [
  mintBench,
  loginBench,
  accessBench,
  gateBench,
  daemonBench,
  stormBench,
  relayBench,
  connectionsBench,
  trailBench,
  activityBench,
  cliBench,
  routeBench,
  signBench,
  tunnelBench,
  driftBench,
  postureBench,
  credentialsBench,
  failoverBench,
  workerBench,
];

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean' } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => BENCHES.every((bench) => bench.name !== name));
if (unknown !== undefined) {
  console.error(`no bench is called ${unknown}; there are: ${BENCHES.map(({ name }) => name).join(', ')}`);
  process.exit(64);
}
const machine = await describeMachine();
if (values.json !== true) console.log(`${machine.join('\n')}\n\n${TABLE_HEAD}`);
const found: Record<string, readonly Figure[]> = {};
for (const bench of BENCHES) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue;
  console.error(`${bench.name}: ${bench.about} …`);
  const figures = await bench.run();
  found[bench.name] = figures;
  if (values.json !== true) console.log(renderFigures(figures));
}
if (values.json === true) {
  const benches = Object.entries(found).map(([name, figures]) => ({
    name,
    figures: figures.map((figure) => ({ ...figure, verdict: verdictOf(figure) })),
  }));
  console.log(JSON.stringify({ machine, benches }));
}
