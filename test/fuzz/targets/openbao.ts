/** Targets: OpenBao's answers, and the certificate in them: one that was changed is refused, or is the genuine one in all that is signed. */

import { WardenError } from '../../../src/errors.ts';
import { AnswerReader, type HttpAnswer, NotHttp, TooLarge } from '../../../src/http/answer.ts';
import { type Asked, checkCertificate } from '../../../src/issuance/check.ts';
import { errorOf, parseJson } from '../../../src/openbao/answers.ts';
import { authEngine, wantsMfa } from '../../../src/openbao/auth-engine.ts';
import type { BaoResponse, HttpClient } from '../../../src/openbao/http-client.ts';
import { sshEngine } from '../../../src/openbao/ssh-engine.ts';
import { certificateBlobOf, parseCertificate } from '../../../src/ssh/certificate.ts';
import { fingerprint } from '../../../src/ssh/public-key.ts';
import type { Corpus } from '../corpus.ts';
import { must, outcomeOf, type Target } from '../target.ts';

/** Input: a line with the status, one with the Date, then the body. */
function responseOf(input: Buffer): BaoResponse {
  const [status = '', date = '', ...body] = input.toString('utf8').split('\n');
  return {
    status: Number.parseInt(status, 10) || 200,
    headers: { date, 'content-type': 'application/json' },
    body: body.join('\n'),
    address: 'http://127.0.0.1:8200',
  };
}

const MAX_BODY = 2_000;

const PARAMETERS = {
  role: 'dev',
  publicKey: 'ssh-ed25519 AAAA',
  principals: ['ops'],
  ttlSeconds: 120,
  extensions: undefined,
  criticalOptions: {},
  keyId: undefined,
  deadlineMs: 1000,
};

/** The way of a call: what it returned, in a word, or the code and hint of its refusal (the message repeats what OpenBao said). */
async function way(call: () => Promise<string>): Promise<string> {
  try {
    return await call();
  } catch (thrown) {
    if (outcomeOf(thrown).kind === 'finding' || !(thrown instanceof WardenError)) throw thrown;
    must(thrown.message.length <= 600, 'a message is no longer than a few lines');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    must(!/[\0-\x1f\x7f-\x9f]/.test(thrown.message), 'a message is one line without control characters');
    return `${thrown.code} ${thrown.hint.slice(0, 40)}`;
  }
}

/** What becomes of a stream that comes in pieces of at most `size` bytes, then ends. */
function readInPieces(input: Buffer, size: number): string {
  const reader = new AnswerReader(MAX_BODY);
  try {
    let answer: HttpAnswer | undefined;
    for (let at = 0; at < input.length && answer === undefined; at += size)
      answer = reader.push(Buffer.from(input.subarray(at, at + size)));
    answer ??= reader.end();
    if (answer === undefined) return 'unfinished';
    must(answer.body.length <= MAX_BODY, 'a body is bounded');
    must(answer.status >= 200 && answer.status <= 999, 'an interim answer is none');
    return `${answer.status} ${Object.keys(answer.headers).length} ${answer.body.toString('base64')}`;
  } catch (thrown) {
    if (thrown instanceof NotHttp || thrown instanceof TooLarge) return `${thrown.name} ${thrown.message}`;
    throw thrown;
  }
}

/** Input: the bytes of a connection. */
export const httpAnswer: Target = {
  name: 'http-answer',
  words: [
    'HTTP/1.1 200 OK\r\n',
    '\r\n',
    '\r\n\r\n',
    'Content-Length: ',
    'Transfer-Encoding: chunked\r\n',
    'Connection: close\r\n',
    '0\r\n\r\n',
    '\n',
  ],
  run(input) {
    const whole = readInPieces(input, Math.max(1, input.length));
    for (const size of [1, 3, 50])
      must(readInPieces(input, size) === whole, 'an answer does not depend on how it is cut');
    return whole.split(' ', 2).join(' ').slice(0, 40);
  },
};

export const openbaoAnswer: Target = {
  name: 'openbao-answer',
  words: [
    '200',
    '400',
    '403',
    '404',
    '429',
    '500',
    '503',
    '\n',
    '{"errors":["',
    '"]}',
    '1 error occurred:\\n\\t* ',
    'unknown role',
    'sealed',
    'namespace',
    'valid_principals',
    'extensions x are not allowed',
    '"data":{',
    '"signed_key":"',
    '"auth":{"client_token":"',
    '"mfa_requirement":{"mfa_request_id":"',
    '"capabilities":["',

    '"request_id":',
    '\\u001b[31m',
    '\\u2028',
    'null',
    '{}',
    '[]',
    '1e999',
    'warnings',
  ],
  async run(input) {
    const response = responseOf(input);
    const http: HttpClient = { request: () => Promise.resolve(response), close: () => undefined };
    const engine = sshEngine(http, 'ssh', undefined);
    const auth = authEngine(http, undefined);
    const ways = await Promise.all([
      way(() => Promise.reject(errorOf(response, 'ssh/sign/dev'))),
      way(() => Promise.resolve(typeof parseJson(response))),
      way(async () => {
        const answer = await engine.sign({}, PARAMETERS);
        must(answer.signedKey.length <= 64 * 1024 && answer.requestId.length <= 128, 'an answer is bounded');
        must(answer.serverTime === undefined || Number.isInteger(answer.serverTime), 'a time is a number');
        return `signed, time ${answer.serverTime !== undefined}`;
      }),
      way(async () => {
        const { ttlSeconds } = await auth.lookupSelf({}, 1000);
        must(Number.isFinite(ttlSeconds), 'a time to live is a number');
        return 'token';
      }),
      way(async () => {
        const answer = await auth.login('approle/login', {}, 1000);
        if (wantsMfa(answer)) return 'second factor';
        must(/^[!-~]+$/.test(answer.token), 'a token can stand in a header');
        must(answer.ttlSeconds >= 0 && answer.uses >= 0, 'a token has a time to live');
        return 'login';
      }),
      way(async () => String(typeof (await auth.capabilities({}, 'ssh/sign/dev', 1000)))),
      way(async () => ((await engine.caPublicKeys(1000)).length > 0 ? 'lines' : 'no line')),
    ]);
    return ways.join(' | ');
  },
};

const SERVER_TIME = Date.parse('2026-11-23T12:00:30Z');

/** What was asked for where OpenBao answered with `seed-genuine`. */
function askedFor(corpus: Corpus): Asked {
  const seed = corpus.seeds('minted').find(({ name }) => name === 'genuine');
  if (seed === undefined) throw new Error('the corpus has no minted/seed-genuine');
  const { publicKey, signatureKey } = parseCertificate(certificateBlobOf(seed.bytes.toString('latin1')));
  return {
    publicKey,
    principals: ['ops', 'deploy'],
    ttlSeconds: 120,
    extensions: ['permit-pty'],
    criticalOptions: {},
    expectedCas: [fingerprint(signatureKey)],
    serverTime: SERVER_TIME,
  };
}

/** Input: `signed_key`, as it stands in the answer. */
export function minted(corpus: Corpus): Target {
  const asked = askedFor(corpus);
  const genuine = new Set(
    corpus.seeds('minted').flatMap(({ bytes }) => {
      try {
        return [parseCertificate(certificateBlobOf(bytes.toString('latin1'))).signedPart.toString('base64')];
      } catch {
        return [];
      }
    }),
  );
  return {
    name: 'minted',
    words: ['ssh-ed25519-cert-v01@openssh.com ', ' ', '\t', '\n', '\r\n', '\0', '='],
    run(input) {
      const { certificate, blob } = checkCertificate(input.toString('latin1'), asked);
      must(genuine.has(certificate.signedPart.toString('base64')), 'what is taken is what the CA has signed');
      must(
        certificate.publicKey.equals(asked.publicKey) && certificate.certType === 'user',
        'it is for our key',
      );
      must(
        certificate.principals.every((name) => asked.principals.includes(name)),
        'no principal is added',
      );
      must(certificate.principals.length > 0, 'there are principals');
      must(certificate.validBefore - certificate.validAfter <= 420n, 'it is not valid for longer');
      must(
        [...certificate.extensions.keys()].every((name) => name === 'permit-pty'),
        'no extension is added',
      );
      must(parseCertificate(blob).signature.equals(certificate.signature), 'blob and certificate are one');
      return `taken, ${certificate.principals.length} names, ${certificate.extensions.size} extensions`;
    },
  };
}
