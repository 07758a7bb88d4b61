/** The control socket is asked what no CLI of ours asks: it answers that there is no such call, and the daemon lives on. */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startWarden } from '../support/warden.ts';

/** The first line of the answer to raw bytes; empty where the connection was closed without one. */
function statusLine(path: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(path, () => socket.end(bytes));
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')));
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    socket.once('error', reject).once('close', () => resolve(answer.split('\r\n')[0] ?? ''));
  });
}

test('targets that are no paths', async () => {
  const warden = await startWarden({
    openbao: { addr: 'http://127.0.0.1:1' },
    lanes: {},
    principals: ['a'],
    knownHosts: [],
  });
  try {
    for (const target of ['//', '/nothing', 'http://[', '*'])
      expect(await statusLine(warden.controlSocket, `GET ${target} HTTP/1.0\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 404 /,
      );
    expect(await warden.cli(['status'])).toMatchObject({ code: 0 });
  } finally {
    await warden.remove();
  }
});
