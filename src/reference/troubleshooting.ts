/** docs/troubleshooting.md, from the codes, their causes and the messages in the sources: `node scripts/docs.mjs` puts it there, and a test compares. */
import { ERROR_CODE_NAMES, ERROR_CODES, type ErrorCode } from '../errors.ts';
import { CAUSES } from './causes.ts';
import { type Message, messagesIn } from './messages.ts';

const INTRODUCTION = `# When something is refused

<!-- Generated from src/errors.ts, src/reference/causes.ts and the messages in the sources by \`node scripts/docs.mjs\`. Edit those. -->

\`warden why [host]\` prints the last refusals with their code, \`warden doctor [host]\` walks the way of a login and names what stands in
it. Each message ends with what to do; here is each code with its cause and cure, and the messages that carry it. \`…\` is what a
message puts in. The number is the exit code of a command that ends because of it.
`;

function bullets(messages: readonly string[]): readonly string[] {
  return [...new Set(messages)]
    .sort()
    .map((text) => `- \`${text.replaceAll('`', '’').replaceAll('\n', ' ')}\``);
}

function section(code: ErrorCode, messages: readonly Message[]): string {
  const { cause, cure } = CAUSES[code];
  const own = messages.flatMap(({ code: each, text }) => (each === code && text !== undefined ? [text] : []));
  return [`## \`${code}\` (${ERROR_CODES[code]})`, '', `${cause} **${cure}**`, '', ...bullets(own), ''].join(
    '\n',
  );
}

/** The messages of the launcher, which is a shell script. */
function launcherMessages(launcher: string): readonly string[] {
  return [...launcher.matchAll(/echo "(warden: [^"]*)"/g)].map(([, text = '']) =>
    text.replace(/\$\w+/g, '…'),
  );
}

/** The page, ending in a newline, from the texts of all TypeScript sources and of scripts/warden. */
export function troubleshootingPage(sources: readonly string[], launcher: string): string {
  const messages = sources.flatMap(messagesIn);
  const several = messages.flatMap(({ code, text }) =>
    code === undefined && text !== undefined ? [text] : [],
  );
  return [
    INTRODUCTION,
    ...ERROR_CODE_NAMES.map((code) => section(code, messages)),
    '## With the code that OpenBao’s answer calls for\n',
    ...bullets(several),
    '',
    '## From the launcher, before anything else runs\n',
    ...bullets(launcherMessages(launcher)),
    '',
  ].join('\n');
}
