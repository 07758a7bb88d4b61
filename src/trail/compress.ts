/**
 * Compresses a closed segment. It has its compressed name only once it is whole, on the disk and read back, and the plain one goes after that:
 * whoever is killed in between leaves the plain one, or both, or the compressed one, and what was unfinished is of nobody.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, readdirSync } from 'node:fs';
import { rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { errnoOf } from '../errors.ts';
import { UNFINISHED } from '../system/replace-file.ts';
import { syncDirectory } from './head.ts';
import type { Segment } from './segments.ts';

/** Lets everything through and knows its SHA-256 at the end. */
class Digesting extends Transform {
  readonly #digest = createHash('sha256');

  override _transform(chunk: Buffer, _: BufferEncoding, done: (error: null, chunk: Buffer) => void): void {
    this.#digest.update(chunk);
    done(null, chunk);
  }

  hex(): string {
    return this.#digest.digest('hex');
  }
}

/** SHA-256 of what a file holds, plain or packed; undefined where it can't be unpacked. */
async function contentOf(
  path: string,
  how: 'plain' | 'packed',
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const source: Readable = createReadStream(path);
  const unpack = how === 'packed' ? createGunzip() : new PassThrough();
  const content = new Digesting();
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline(source, unpack, content, nowhere, { signal });
    return content.hex();
  } catch (thrown) {
    if (errnoOf(thrown).startsWith('Z_')) return undefined;
    throw thrown;
  }
}

/**
 * Puts a compressed segment in the plain one's place. Where there is one already that does not hold the same, both stay. Throws the system's
 * error or `AbortError`, and then the plain one is there.
 */
export async function compressSegment(
  directory: string,
  { name }: Segment,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = join(directory, name);
  const packed = `${path}.gz`;
  if (!existsSync(packed)) {
    const unfinished = `${packed}.${randomBytes(4).toString('hex')}.new`;
    const content = new Digesting();
    const target = createWriteStream(unfinished, { flags: 'wx', mode: 0o600, flush: true });
    await pipeline(createReadStream(path), content, createGzip(), target, { signal });
    if ((await contentOf(unfinished, 'packed', signal)) !== content.hex()) return;
    await rename(unfinished, packed);
    syncDirectory(directory);
  } else if ((await contentOf(packed, 'packed', signal)) !== (await contentOf(path, 'plain', signal))) {
    return;
  }
  await unlink(path);
}

/** Removes what compressions that were killed have left behind. */
export async function removeUnfinished(directory: string): Promise<void> {
  for (const name of readdirSync(directory)) {
    if (name.startsWith('trail-') && UNFINISHED.test(name)) await unlink(join(directory, name));
  }
}
