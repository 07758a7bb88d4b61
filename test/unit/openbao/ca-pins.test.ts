import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { keyLine } from '../../../src/lab/certificate-writer.ts';
import { caPins } from '../../../src/openbao/ca-pins.ts';
import { ed25519PublicBlob, fingerprint } from '../../../src/ssh/public-key.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp.ts';

const SERVER = 'https://bao:8200  ssh';

function ca(): { line: string; fingerprint: string } {
  const blob = ed25519PublicBlob(generateKeyPairSync('ed25519').privateKey);
  return { line: keyLine(blob), fingerprint: fingerprint(blob) };
}

function directory(): TempDirectory {
  const made = tempDirectory();
  onTestFinished(() => made.remove());
  return made;
}

/** Pins whose mount gives these lines; what they were asked is in `asked`. */
function pinsOf(
  stateDir: string,
  lines: readonly string[],
  more: { configured?: string[]; server?: string } = {},
) {
  const asked: number[] = [];
  const learn = async (deadlineMs: number) => {
    asked.push(deadlineMs);
    return lines;
  };
  const { configured = [], server = SERVER } = more;
  return { asked, ...caPins({ configured, stateDir, server, learn }) };
}

describe('the expected CA', () => {
  test('is what the configuration says: nobody is asked, nothing is written', async () => {
    const dir = directory();
    const pins = pinsOf(dir.path, [ca().line], { configured: ['SHA256:a'] });
    expect(await pins.expected(1_000)).toEqual(['SHA256:a']);
    expect(pins.asked).toEqual([]);
    expect(() => statSync(dir.join('ssh-ca.json'))).toThrow('ENOENT');
  });

  test('is learnt once, within the deadline given, and kept for the next start', async () => {
    const dir = directory();
    const { line, fingerprint: first } = ca();
    const pins = pinsOf(dir.path, [line]);
    expect(pins.known()).toEqual([]);
    expect(await pins.expected(1_234)).toEqual([first]);
    expect(await pins.expected(1)).toEqual([first]);
    expect(pins.asked).toEqual([1_234]);
    expect(statSync(dir.join('ssh-ca.json')).mode & 0o777).toBe(0o600);
    // The mount has another CA by now: that is a surprise, not news.
    const later = pinsOf(dir.path, [ca().line]);
    expect(later.known()).toEqual([first]);
    expect(await later.expected(1)).toEqual([first]);
    expect(later.asked).toEqual([]);
  });

  test('of one server says nothing of another, and stays beside it', async () => {
    const dir = directory();
    const [a, b] = [ca(), ca()];
    await pinsOf(dir.path, [a.line]).expected(1);
    expect(await pinsOf(dir.path, [b.line], { server: 'other' }).expected(1)).toEqual([b.fingerprint]);
    expect(JSON.parse(readFileSync(dir.join('ssh-ca.json'), 'utf8'))).toEqual({
      [SERVER]: [a.fingerprint],
      other: [b.fingerprint],
    });
  });

  test('that two logins learn at once is the first answer', async () => {
    const dir = directory();
    const answers = [ca(), ca()];
    const lines = answers.map(({ line }) => line);
    const pins = caPins({
      configured: [],
      stateDir: dir.path,
      server: SERVER,
      learn: async () => [lines.shift() ?? ''],
    });
    const both = await Promise.all([pins.expected(1), pins.expected(1)]);
    expect(both).toEqual([[answers[0]?.fingerprint], [answers[0]?.fingerprint]]);
  });

  test('is asked for again after a failure', async () => {
    const dir = directory();
    const { line, fingerprint: found } = ca();
    let up = false;
    const pins = caPins({
      configured: [],
      stateDir: dir.path,
      server: SERVER,
      learn: async () => {
        if (!up) throw new Error('down');
        return [line];
      },
    });
    await expect(pins.expected(1)).rejects.toThrow('down');
    up = true;
    expect(await pins.expected(1)).toEqual([found]);
  });

  test.each([
    ['HTML', ['<html>', '</html>'], 'bao_bad_answer'],
    ['a private key', ['-----BEGIN OPENSSH PRIVATE KEY-----'], 'bao_bad_answer'],
    ['a key that is cut', [ca().line.slice(0, 40)], 'bao_bad_answer'],
    ['nothing', [], 'unexpected_ca'],
  ])('can not be learnt from %s, and nothing is pinned', async (_name, lines, code) => {
    const dir = directory();
    const pins = pinsOf(dir.path, lines);
    await expect(pins.expected(1)).rejects.toMatchObject({ code, hint: expect.stringMatching(/./) });
    expect(pins.known()).toEqual([]);
    expect(() => statSync(dir.join('ssh-ca.json'))).toThrow('ENOENT');
  });

  test('that can not be written down is not believed', async () => {
    const dir = directory();
    const missing = dir.join('missing');
    const pins = pinsOf(missing, [ca().line]);
    await expect(pins.expected(1)).rejects.toMatchObject({
      code: 'state_unwritable',
      message: expect.stringContaining('ENOENT'),
      hint: expect.stringContaining('openbao.ssh_ca'),
    });
    expect(pins.known()).toEqual([]);
    mkdirSync(missing);
    await pins.expected(1);
    expect(pins.known()).toHaveLength(1);
  });

  test.each(['', '{', '[]', '{"s":[]}', '{"s":["MD5:x"]}', '{"s":"SHA256:x"}'])(
    'in a file that is damaged (%j) is an error, not a reason to learn anew',
    (text) => {
      const dir = directory();
      dir.write('ssh-ca.json', text);
      expect(() => pinsOf(dir.path, [])).toThrow(expect.objectContaining({ code: 'config_invalid' }));
      // With the configuration's own list the file does not count.
      expect(pinsOf(dir.path, [], { configured: ['SHA256:a'] }).known()).toEqual(['SHA256:a']);
    },
  );
});
