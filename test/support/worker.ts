/** Parts for tests of the worker: a small catalog, and models that do as they are told. */
import { createServer } from 'node:http';
import type { FindLane, LaneFacts } from '../../src/worker/lanes.ts';
import type { HubMessage } from '../../src/worker/message.ts';

interface KeywordLane extends LaneFacts {
  readonly words: readonly string[];
  readonly status?: 'draft' | 'retired';
}

const LANES: readonly KeywordLane[] = [
  {
    id: 'npm-publish',
    title: 'npm publish token',
    owner: 'railiance-platform',
    page: 'playbooks/npm-publish.md',
    nextAction: 'run with secrets-engine: secrets-engine exec --catalog npm-publish -- <cmd>',
    words: ['npm'],
  },
  {
    id: 'ssh-host',
    title: 'SSH to hosts',
    owner: 'ops-warden',
    page: undefined,
    nextAction: 'ssh HOST',
    words: ['ssh'],
  },
  {
    id: 'sts',
    title: 'Object storage',
    owner: 'flex-auth',
    page: undefined,
    nextAction: '',
    words: ['storage'],
    status: 'draft',
  },
];

/** A lane is found by its word. */
export const findByWord: FindLane = (need) => {
  const found = LANES.filter(({ words }) =>
    words.some((word) => new RegExp(`\\b${word}\\b`, 'i').test(need)),
  );
  const [first] = found;
  if (first === undefined) return { outcome: 'none', lanes: [] };
  if (found.length > 1) return { outcome: 'ambiguous', lanes: found };
  return { outcome: first.status ?? 'match', lanes: found };
};

/** A message to ops-warden. */
export function messageOf(body: string, more: Partial<HubMessage> = {}): HubMessage {
  return { id: 'm1', from: 'agt-a', to: 'ops-warden', subject: '', body, thread: 't1', ...more };
}

export interface LabModel {
  readonly url: string;
  /** Bodies and paths of what it was asked. */
  readonly asked: { path: string; authorization: string | undefined; body: string }[];
  stop(): Promise<void>;
}

/** A model that answers `content` of what it is asked, in both dialects; a number is a status. */
export async function startModel(content: (asked: string) => string | number): Promise<LabModel> {
  const asked: LabModel['asked'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      asked.push({ path: request.url ?? '', authorization: request.headers.authorization, body });
      const text = content(body);
      if (typeof text === 'number') return void response.writeHead(text).end();
      const answer =
        request.url === '/execute'
          ? { content: text }
          : { choices: [{ message: { role: 'assistant', content: text } }] };
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    asked,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
