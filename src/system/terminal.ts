/** The controlling terminal of this process (tty(4), `/dev/tty`). */
import { closeSync, constants, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { errnoOf, WardenError } from '../errors.ts';

/** Whether there is one. After a hangup there is none any more. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}

const [CTRL_C, CTRL_D, CTRL_U, BACKSPACE] = ['\u0003', '\u0004', '\u0015', /[\b\u007f]/];

/**
 * Asks the person at the controlling terminal, whatever standard input and output are; a secret is not shown. Throws `usage` where
 * there is no terminal or the person gives up.
 */
export async function askOnTerminal(question: string, secret: boolean): Promise<string> {
  let input: ReadStream;
  let output: WriteStream;
  try {
    input = new ReadStream(openSync('/dev/tty', constants.O_RDWR | constants.O_NOCTTY));
    output = new WriteStream(openSync('/dev/tty', constants.O_WRONLY | constants.O_NOCTTY));
  } catch (cause) {
    throw new WardenError('usage', `can't ask: there is no terminal (${errnoOf(cause)})`, {
      hint: 'run it in a terminal',
      cause,
    });
  }
  // Raw, so that nothing is echoed but what is written here.
  input.setRawMode(true);
  output.write(question);
  let text = '';
  try {
    for await (const chunk of input) {
      for (const letter of String(chunk)) {
        if (letter === '\r' || letter === '\n') return text;
        if (letter === CTRL_C || (letter === CTRL_D && text === ''))
          throw new WardenError('usage', 'given up', { hint: 'nothing was changed' });
        if (letter === CTRL_U) text = '';
        else if (BACKSPACE.test(letter)) text = text.slice(0, -1);
        else text += letter;
        if (!secret) output.write(BACKSPACE.test(letter) ? '\b \b' : letter);
      }
    }
    throw new WardenError('usage', 'the terminal has gone');
  } finally {
    output.write('\n');
    input.setRawMode(false);
    input.destroy();
    output.destroy();
  }
}
