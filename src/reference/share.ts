/** What the build puts into dist/share: the manual page and completions. */
import { describeCommandLine } from './command-line.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './completions.ts';
import { manPage } from './man-page.ts';

/** Contents by path below dist/share. */
export async function shareFiles(): Promise<Readonly<Record<string, string>>> {
  const program = await describeCommandLine();
  return {
    'man/man1/warden.1': manPage(program),
    'completions/warden.bash': bashCompletion(program),
    'completions/warden.zsh': zshCompletion(program),
    'completions/warden.fish': fishCompletion(program),
  };
}
