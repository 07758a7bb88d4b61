/** The daemon: does it run, on which socket, with this configuration, and does it mint? */
import { OWN_SOCKET } from '../../config/agent-block.ts';
import { VERSION } from '../../version.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';

type Needed = Pick<Facts, 'daemon' | 'socket' | 'socketState' | 'config'>;

export function checkAgent(facts: Needed): readonly Finding[] {
  const { daemon, config } = facts;
  if (!('pid' in daemon)) return notRunning(facts, daemon.message);
  const restart = 'warden agent --stop; eval "$(warden agent --background)"';
  const found: Finding[] = [
    ok(
      'agent.running',
      `warden ${daemon.version} runs, process ${daemon.pid}, since ${daemon.started}`,
      daemon.socket,
    ),
  ];
  const file = 'lanes' in config ? (config.file ?? null) : undefined;
  if (file !== undefined && file !== daemon.config) {
    const what = `it serves another configuration, ${daemon.config ?? 'the defaults'}`;
    found.push(finding('problem', 'agent.other_configuration', what, { from: daemon.socket, todo: restart }));
  }
  if (daemon.relay_only !== null) {
    found.push(
      finding('problem', 'agent.relay_only', `it mints nothing: ${daemon.relay_only}`, {
        todo: 'set that right, then: warden agent --reload',
      }),
    );
  }
  if (daemon.version !== VERSION)
    found.push(
      finding('warning', 'agent.other_version', `it is of version ${daemon.version}, this is ${VERSION}`, {
        todo: restart,
      }),
    );
  const lanes = 'lanes' in config ? config.lanes.map(({ id }) => id) : undefined;
  if (daemon.relay_only === null && lanes !== undefined && lanes.join() !== daemon.lanes.join()) {
    found.push(
      finding(
        'warning',
        'agent.other_lanes',
        `it serves other lanes than the files say now: ${daemon.lanes.join(', ') || 'none'}`,
        { todo: 'warden agent --reload' },
      ),
    );
  }
  if (daemon.reload_refused !== null) {
    const what = `it was told to read its configuration again, and serves the former one: ${daemon.reload_refused}`;
    found.push(
      finding('warning', 'agent.reload_refused', what, {
        todo: 'set that right, then: warden agent --reload',
      }),
    );
  }
  if (daemon.locked) {
    found.push(
      finding('problem', 'agent.locked', 'it is locked (ssh-add -x): nothing is minted or signed', {
        todo: 'unlock it: ssh-add -X; where the agent behind was restarted since: ssh-add -x, then ssh-add -X',
      }),
    );
  }
  const paused = daemon.openbao?.paused ?? null;
  if (paused !== null)
    found.push(
      finding('warning', 'agent.paused', `it spares logins the wait after a failure: ${paused}`, {
        todo: 'it asks again within ten seconds',
      }),
    );
  // What is said of the agent behind is that check's to say.
  const warnings = daemon.warnings.filter((text) => !text.startsWith(OWN_SOCKET));
  return [...found, ...warnings.map((text) => finding('warning', 'agent.warning', text))];
}

function notRunning({ socket, socketState }: Needed, message: string): readonly Finding[] {
  const todo = 'start it: eval "$(warden agent --background)"';
  switch (socketState) {
    case 'stale':
      return [
        finding(
          'problem',
          'agent.stale_socket',
          `${socket} is a dead agent's: the file is there and nobody listens (ssh then says only "Permission denied")`,
          {
            from: socket,
            todo: `${todo}; or --fix removes the file`,
          },
        ),
      ];
    case 'absent':
      return [finding('problem', 'agent.not_running', message, { from: socket, todo })];
    default:
      return [
        finding(
          'problem',
          'agent.other_listener',
          `${socket} is served, but by no warden agent of this configuration (${message})`,
          {
            from: socket,
            todo: 'stop what listens there, or choose another socket: agent.socket',
          },
        ),
      ];
  }
}
