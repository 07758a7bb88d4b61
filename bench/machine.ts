/** On what the figures were taken: without it they mean nothing. */
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { openbaoBinary } from '../test/support/openbao.ts';
import { run } from '../test/support/process.ts';

async function firstLine(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(program, args);
  return `${stdout}${stderr}`.split('\n', 1)[0]?.trim() ?? '';
}

/** Lines for people. */
export async function describeMachine(): Promise<readonly string[]> {
  const fs = (await run('df', ['--output=fstype,source', tmpdir()])).stdout.trim().split('\n').at(-1) ?? '';
  return [
    `CPU ${cpus().length} × ${cpus()[0]?.model ?? '?'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, disk ${fs.replace(/\s+/g, ' ')}`,
    `node ${process.version}, ${await firstLine('ssh', ['-V'])}, ${await firstLine(openbaoBinary() ?? 'bao', ['version'])}`,
    `load before the run ${loadavg()[0]?.toFixed(2) ?? '?'}, ${new Date().toISOString()}`,
  ];
}
