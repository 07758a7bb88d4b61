/**
 * The gate in front of every certificate, on real parts: logins by real ssh through a real OPA with the shipped policy, and decision points
 * of the test's own for what no real one can be made to do. flex-auth is a stand-in, written from the notes.
 */
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Opa, opaBinary, opaMissing, SHIPPED_POLICY, startOpa } from '../support/opa.ts';
import { freePort } from '../support/openbao.ts';
import { mustRun } from '../support/process.ts';
import { type Rig, realPartsMissing, useRig } from '../support/rig.ts';
import { tempDirectory } from '../support/temp.ts';
import { makeCa, makeCertificate } from '../support/tls.ts';
import { startWarden, type Warden, type WardenOptions } from '../support/warden.ts';

const missing = opaMissing();
const directory = tempDirectory('policy-');
afterAll(() => directory.remove());

const rig = useRig();
const wardens: Warden[] = [];
afterAll(async () => {
  for (const warden of wardens) await warden.remove();
});

/** A daemon of its own before the rig's sshd, with this gate. */
async function gated(
  policy: Readonly<Record<string, unknown>>,
  more: Partial<WardenOptions> & { lane?: Readonly<Record<string, unknown>> } = {},
): Promise<Warden> {
  const { bao, sshd, knownHosts } = rig();
  const { lane, ...options } = more;
  const web = { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: bao.role, ...lane };
  const warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token },
    lanes: { web },
    principals: [sshd.user],
    knownHosts: [knownHosts],
    policy: { enabled: true, ...policy },
    ...options,
  });
  wardens.push(warden);
  return warden;
}

const login = (warden: Warden, of: Rig = rig()) =>
  of.login({ agent: warden.socket, command: ['echo', 'in'] });
const IN = { code: 0, stdout: 'in\n' };

/** What the shipped policy knows of the daemon's actors. */
function actors(name: string, changes: Readonly<Record<string, unknown>> = {}): string {
  const actor = { type: 'adm', principals: [rig().sshd.user], ttl_hours: 1, ...changes };
  return directory.write(name, JSON.stringify({ warden: { actors: { 'adm-test': actor } } }));
}

describe('OPA with the shipped policy', () => {
  let opa: Opa;
  let policy: Readonly<Record<string, unknown>>;
  beforeAll(async () => {
    if (missing !== undefined || realPartsMissing() !== undefined) return;
    opa = await startOpa([SHIPPED_POLICY, actors('actors.json')]);
    policy = { engine: 'opa', url: opa.url };
  });
  afterAll(() => opa?.stop());

  test('the policy passes its own tests', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    await mustRun(opaBinary() ?? '', ['test', 'catalog/policy']);
    await mustRun(opaBinary() ?? '', ['check', '--strict', 'catalog/policy']);
  });

  test('lets a login through, and the trail has its decision', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const warden = await gated(policy);
    expect(await login(warden)).toMatchObject(IN);
    const [intent, issued] = warden.trail().filter(({ phase }) => phase !== 'single');
    expect(intent?.policy).toMatchObject({
      engine: 'opa',
      allow: true,
      decision_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(issued?.policy).toEqual(intent?.policy);
    expect(intent?.policy?.latency_ms).toBeGreaterThan(0);
  });

  test('denies what the actor may not have: no question to OpenBao, the reason for the person, the other keys as ever', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const warden = await gated(policy, { principals: [rig().sshd.user, 'ops'] });
    const result = await login(warden);
    expect(result.code).toBe(255);
    await expect
      .poll(() => warden.trail().map(({ event, error_code }) => `${event} ${error_code ?? ''}`))
      .toEqual(['daemon.start ', 'policy.decision policy_denied', 'agent.bind_refused policy_denied']);
    expect(warden.trail()[1]).toMatchObject({
      outcome: 'denied',
      lane: 'web',
      actor: { id: 'adm-test' },
      policy: { engine: 'opa', allow: false },
    });
    const why = await warden.cli(['why']);
    expect(why.stdout).toContain('the gate denies it: disallowed_principal (decision ');
  });

  test('the same for a certificate in a file', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const agt = { type: 'agt', principals: [rig().sshd.user], ttl_hours: 2 };
    const settings = { role_map: { agt: rig().bao.role } };
    const { addr, token } = rig().bao;
    const warden = await gated(policy, { actors: { 'agt-x': agt }, openbao: { addr, token, settings } });
    await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', directory.join('id')]);
    for (const stopped of [false, true]) {
      if (stopped) await warden.stop();
      const sign = await warden.cli(['sign', 'agt-x', '--pubkey', directory.join('id.pub'), '--ttl', '2m']);
      expect([sign.code, sign.stdout]).toEqual([77, '']);
      expect(sign.stderr).toContain('the gate denies it: unknown_actor_resource');
    }
  });

  test('three commands switch it on: check, enable, smoke; and it can show that it denies', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const warden = await gated({ ...policy, enabled: false });
    expect(await login(warden)).toMatchObject(IN);
    expect(warden.trail().some((record) => record.policy !== undefined)).toBe(false);
    const check = await warden.cli(['policy', 'check']);
    expect([check.code, check.stdout]).toEqual([0, expect.stringContaining('6 cases, 0 wrong')]);
    expect(check.stdout).toContain('ok   web: a principal too many: deny (disallowed_principal)');
    const enable = await warden.cli(['policy', 'enable']);
    expect([enable.code, enable.stderr]).toEqual([
      0,
      `${warden.configFile}: policy.enabled: true\nthe running agent has read it\n`,
    ]);
    const again = await warden.cli(['policy', 'enable', '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ good: true });
    expect(await login(warden)).toMatchObject(IN);
    expect(warden.trail().findLast(({ event }) => event === 'cert.issued')?.policy).toMatchObject({
      allow: true,
    });
    const smoke = await warden.cli(['policy', 'smoke', '--out', directory.join('gate.note')]);
    expect([smoke.code, smoke.stdout, smoke.stderr]).toEqual([0, '', '']);
    const verify = await warden.cli(['audit', 'verify', '--evidence', directory.join('gate.note')]);
    expect([verify.code, verify.stderr]).toEqual([0, '']);
    const off = await warden.cli(['policy', 'disable']);
    expect(off.code).toBe(0);
    expect(
      warden
        .trail()
        .filter(({ event }) => event === 'policy.changed')
        .map(({ message }) => message),
    ).toEqual([
      'the gate was switched on; its cases are right',
      'the gate was switched on; its cases are right',
      'the gate was put to its cases: 6 of 6 right',
      'the gate was switched off',
    ]);
  });

  test('a gate that allows everything, or none, is not switched on', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const lax = await startOpa([directory.write('lax.rego', 'package lax\nallow := true\n')]);
    try {
      const warden = await gated({ engine: 'opa', url: lax.url, path: 'lax', enabled: false });
      const enable = await warden.cli(['policy', 'enable']);
      expect([enable.code, enable.stdout]).toEqual([
        1,
        expect.stringContaining('FAIL web: a year: allow, and should deny'),
      ]);
      expect((await warden.cli(['policy', 'status', '--json'])).stdout).toContain('"enabled": false');
    } finally {
      await lax.stop();
    }
    const gone = await gated({ engine: 'opa', url: lax.url, path: 'lax', enabled: false });
    const enable = await gone.cli(['policy', 'enable']);
    expect([enable.code, enable.stdout]).toEqual([1, expect.stringContaining('no answer, and should deny')]);
  });

  test('over TLS, by a CA of its own', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    await makeCa(directory, 'ca');
    await makeCertificate(directory, 'ca', 'opa', 'IP:127.0.0.1');
    const files = [SHIPPED_POLICY, actors('actors-tls.json')];
    const pair = [
      '--tls-cert-file',
      directory.join('opa.pem'),
      '--tls-private-key-file',
      directory.join('opa.key'),
    ];
    const secure = await startOpa(files, pair, 'https');
    try {
      const warden = await gated({ engine: 'opa', url: secure.url, ca_cert: directory.join('ca.pem') });
      expect(await login(warden)).toMatchObject(IN);
      const untrusting = await gated({ engine: 'opa', url: secure.url });
      expect((await login(untrusting)).code).toBe(255);
      expect((await untrusting.cli(['why'])).stdout).toMatch(
        /the gate at https:\S+ can't be reached: \S*VERIFY/,
      );
    } finally {
      await secure.stop();
    }
  });

  test('break-glass: declared, in every record, over by itself and by --end', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    const warden = await gated({ engine: 'opa', url: `http://127.0.0.1:${await freePort()}` });
    expect((await login(warden)).code).toBe(255);
    expect((await warden.cli(['policy', 'break-glass', '--for', '5h', '--reason', 'x'])).code).toBe(64);
    expect((await warden.cli(['policy', 'break-glass', '--for', '30m'])).code).toBe(64);
    const declared = await warden.cli(['policy', 'break-glass', '--for', '30m', '--reason', 'INC-7']);
    expect([declared.code, declared.stdout]).toEqual([
      0,
      expect.stringMatching(/^until \S+ certificates are made without the gate/),
    ]);
    expect(await login(warden)).toMatchObject(IN);
    expect(warden.trail().findLast(({ event }) => event === 'cert.issued')?.policy).toEqual({
      engine: 'opa',
      allow: true,
      break_glass: 'INC-7',
    });
    expect((await warden.cli(['policy', 'status'])).stdout).toContain('break-glass until ');
    expect((await warden.cli(['policy', 'break-glass', '--end'])).stdout).toBe('the gate is asked again\n');
    expect((await login(warden)).code).toBe(255);
    // One that somebody has written for ever breaks no glass.
    writeFileSync(
      `${warden.stateDir}/break-glass.json`,
      JSON.stringify({ from: 0, until: 9e15, reason: 'ever' }),
    );
    expect((await login(warden)).code).toBe(255);
  });

  test('AuthZEN in front of the same policy', async (ctx) => {
    if (missing !== undefined) ctx.skip(missing);
    // OPA has no such endpoint: the adapter puts the input into its own form, and the answer back (notes "Policy gates").
    const adapter = await pointAt((body, response) => {
      void fetch(`${opa.url}/v1/data/warden/gate`, { method: 'POST', body: JSON.stringify({ input: body }) })
        .then((answer) => answer.json())
        .then((answer: unknown) => {
          const { allow, reason } = Object.fromEntries(Object.entries(Object(Object(answer)['result'])));
          answerWith(response, { decision: allow, context: { reason_user: { en: reason } } });
        });
    });
    const warden = await gated({ engine: 'authzen', url: adapter.url });
    expect(await login(warden)).toMatchObject(IN);
    expect(adapter.asked.at(-1)?.path).toBe('/access/v1/evaluation');
    const tooWide = await gated(
      { engine: 'authzen', url: adapter.url },
      { principals: [rig().sshd.user, 'ops'] },
    );
    expect((await login(tooWide)).code).toBe(255);
    expect((await tooWide.cli(['why'])).stdout).toContain('the gate denies it: disallowed_principal');
  });
});

interface Point {
  readonly url: string;
  readonly asked: { readonly path: string; readonly body: unknown; readonly id: string | undefined }[];
}

const points: Server[] = [];
afterAll(() => {
  for (const server of points) {
    server.closeAllConnections();
    server.close();
  }
});

function answerWith(response: ServerResponse, body: unknown, status = 200): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** A decision point that answers as it is told. */
async function pointAt(
  answer: (body: unknown, response: ServerResponse, request: IncomingMessage) => void,
): Promise<Point> {
  const asked: Point['asked'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      asked.push({ path: request.url ?? '', body, id: request.headers['x-request-id']?.toString() });
      answer(body, response, request);
    });
  });
  points.push(server);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${port}`, asked };
}

const envelope = (more: Readonly<Record<string, unknown>> = {}) => ({
  id: 'decision:0123456789abcdef',
  effect: 'allow',
  resource: {},
  subject: {},
  provenance: { evaluator: 'stand-in' },
  ...more,
});

describe('flex-auth, as the notes have it', () => {
  test('is asked by the contract of ops-warden, and allows', async () => {
    const point = await pointAt((_, response) => answerWith(response, envelope()));
    const warden = await gated({ url: point.url }, { env: { WARDEN_POLICY_SUBJECT: 'iam:adm-test' } });
    expect(await login(warden)).toMatchObject(IN);
    const { user, port } = rig().sshd;
    expect(point.asked).toEqual([
      {
        path: '/v1/check',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        body: {
          subject: { id: 'iam:adm-test', type: 'adm', tenant: 'tenant:platform' },
          tenant: 'tenant:platform',
          resource: {
            id: 'ssh-cert:actor/adm-test',
            type: 'ssh-certificate',
            system: 'ops-warden',
            tenant: 'tenant:platform',
          },
          action: 'sign',
          context: {
            actor_type: 'adm',
            principals: [user],
            pubkey_fingerprint: expect.stringMatching(/^SHA256:/),
            ttl_hours: 2 / 60,
            ssh: { lane: 'web', host: `[127.0.0.1]:${port}`, via: [], logins: [user], login_guess: user },
          },
        },
      },
    ]);
    expect(warden.trail().find(({ event }) => event === 'cert.issued')?.policy).toMatchObject({
      engine: 'flex-auth',
      decision_id: 'decision:0123456789abcdef',
    });
  });

  test.each([
    [
      'deny',
      envelope({ effect: 'deny', reason: 'no_matching_rule' }),
      'the gate denies it: no_matching_rule',
    ],
    ['redact', envelope({ effect: 'redact' }), 'the gate denies it: effect redact'],
    ['no id', envelope({ id: undefined }), 'the gate denies it: the answer allows it but has no id'],
    [
      'an obligation that warden does not know',
      envelope({ obligations: [{ type: 'watch', parameters: {} }] }),
      'the gate allows it under an obligation that warden can\'t meet: "watch"',
    ],
    [
      'an obligation with more in it',
      envelope({ obligations: [{ type: 'limit_ttl', parameters: { seconds: 9, renew: true } }] }),
      'can\'t meet: "limit_ttl"',
    ],
    [
      'principals that nobody has',
      envelope({ obligations: [{ type: 'limit_principals', parameters: { principals: ['other'] } }] }),
      'the gate allows none of the principals',
    ],
    [
      'an escape code in the reason',
      envelope({ effect: 'deny', reason: '\u001b[2Jgone' }),
      'the gate denies it: ',
    ],
  ])('%s: no certificate', async (_, answer, said) => {
    const point = await pointAt((_body, response) => answerWith(response, answer));
    const warden = await gated({ url: point.url });
    expect((await login(warden)).code).toBe(255);
    const { stdout } = await warden.cli(['why']);
    expect(stdout).toContain(said);
    expect(stdout).not.toContain('\u001b');
    expect(warden.trail().some(({ event }) => event === 'cert.intent')).toBe(false);
  });

  test('an id as random as a secret is no reason to refuse: the trail has its hash', async () => {
    const id = 'k3J9sLq2Xv8ZpT4wRb7YnC1mHd6FgA5e';
    const point = await pointAt((_, response) => answerWith(response, envelope({ id })));
    const warden = await gated({ url: point.url });
    expect(await login(warden)).toMatchObject(IN);
    const { policy } = warden.trail().find(({ event }) => event === 'cert.issued') ?? {};
    expect(policy?.decision_id).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test('narrows time and principals, never widens', async () => {
    const obligations = [
      { type: 'limit_ttl', parameters: { seconds: 40 } },
      { type: 'limit_ttl', parameters: { seconds: 99_999 } },
      { type: 'limit_principals', parameters: { principals: [rig().sshd.user, 'root-of-all'] } },
    ];
    const point = await pointAt((_, response) => answerWith(response, envelope({ obligations })));
    const warden = await gated({ url: point.url }, { principals: [rig().sshd.user, 'ops'] });
    expect(await login(warden)).toMatchObject(IN);
    const { cert } = warden.trail().find(({ event }) => event === 'cert.issued') ?? {};
    expect(cert?.principals).toEqual([rig().sshd.user]);
    const before = Date.parse(cert?.valid_before ?? '');
    const issued = Date.parse(warden.trail().find(({ event }) => event === 'cert.issued')?.ts ?? '');
    expect(before - issued).toBeLessThanOrEqual(41_000);
  });
});

describe('a gate that does not answer', () => {
  test('is down, slow, or says something else: no certificate, and the line says so', async () => {
    const slow = await pointAt(() => undefined);
    const garbage = await pointAt((_, response) => answerWith(response, '<html>'));
    const strange = await pointAt((_, response) => answerWith(response, { decision: 'yes' }));
    const redirect = await pointAt((_, response) => {
      response.writeHead(302, { location: slow.url }).end();
    });
    const endless = await pointAt((_, response) => {
      response.writeHead(200);
      response.write('x'.repeat(400_000));
    });
    const down = { url: `http://127.0.0.1:${await freePort()}` };
    for (const [point, said] of [
      [down, "can't be reached: ECONNREFUSED"],
      [slow, 'has not answered within 1000 ms'],
      [garbage, "answers what is none of authzen's"],
      [strange, "answers what is none of authzen's"],
      [redirect, 'answers 302'],
      [endless, "can't be reached: "],
    ] as const) {
      const warden = await gated({ engine: 'authzen', url: point.url });
      expect((await login(warden)).code).toBe(255);
      expect((await warden.cli(['why'])).stdout).toContain(`the gate at ${point.url} ${said}`);
      expect(warden.trail().find(({ event }) => event === 'policy.decision')).toMatchObject({
        outcome: 'error',
        error_code: 'policy_unavailable',
        policy: { allow: false },
      });
    }
    expect(slow.asked).toHaveLength(1);
    expect(redirect.asked).toHaveLength(1);
  }, 60_000);

  test('fail_closed: false lets through, says so in status and in the record', async () => {
    const warden = await gated({ fail_closed: false, url: `http://127.0.0.1:${await freePort()}` });
    expect(await login(warden)).toMatchObject(IN);
    expect(warden.trail().find(({ event }) => event === 'cert.issued')?.policy).toMatchObject({
      allow: true,
      error_code: 'policy_unavailable',
    });
    expect((await warden.cli(['status'])).stdout).toContain('policy.fail_closed: false');
  });

  test('a kept connection that it has closed costs one more try, no login', async () => {
    const point = await pointAt((_, response, request) => {
      answerWith(response, envelope());
      // Closed behind the answer, without a word.
      setTimeout(() => request.socket.destroy(), 20);
    });
    const warden = await gated({ url: point.url });
    for (let i = 0; i < 3; i += 1) expect(await login(warden)).toMatchObject(IN);
    expect(point.asked).toHaveLength(3);
  });
});

describe('gate_at: sign', () => {
  test('asks again with the login name of the data that is to be signed', async () => {
    let allow = true;
    const point = await pointAt((body, response) => {
      const { context } = Object(body);
      const isAtSignature = Object(Object(context)['ssh'])['login'] !== undefined;
      answerWith(response, { decision: !isAtSignature || allow, context: { reason: 'not as this one' } });
    });
    const warden = await gated({ engine: 'authzen', url: point.url }, { lane: { gate_at: 'sign' } });
    expect(await login(warden)).toMatchObject(IN);
    expect(point.asked.map(({ body }) => Object(Object(Object(body)['context'])['ssh'])['login'])).toEqual([
      undefined,
      rig().sshd.user,
    ]);
    await expect
      .poll(() => warden.trail().at(-1))
      .toMatchObject({ event: 'cert.used', policy: { allow: true } });
    allow = false;
    expect((await login(warden)).code).toBe(255);
    await expect
      .poll(() => warden.trail().find(({ event }) => event === 'agent.sign_refused'))
      .toMatchObject({ error_code: 'policy_denied', policy: { allow: false } });
  });
});
