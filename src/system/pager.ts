/** Long text for a person: through the pager of their environment where standard output is a terminal, else as it is. */
import { spawn } from 'node:child_process';

/** Writes the text; resolves when the pager is closed. A pager that can't be run is done without. */
export async function page(text: string): Promise<void> {
  const pager = process.env['PAGER'] ?? 'less';
  if (!process.stdout.isTTY || pager === '' || pager === 'cat') {
    process.stdout.write(text);
    return;
  }
  const shown = await new Promise<boolean>((resolve) => {
    // As git and man do: PAGER is a command of the shell. F: leave at once where it fits; R: nothing of ours needs it; X: leave it on the screen.
    const child = spawn('/bin/sh', ['-c', pager], {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { LESS: 'FX', ...process.env },
    });
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code !== 127 && code !== 126));
    // It may be left before it has read everything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
  });
  if (!shown) process.stdout.write(text);
}
