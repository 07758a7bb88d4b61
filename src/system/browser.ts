/** The person's browser (xdg-open(1)). Left out: platforms other than Linux. */
import { spawn } from 'node:child_process';
import { childEnvironment } from './hardening.ts';
import { hasTerminal } from './terminal.ts';

/** What a program of the desktop needs besides, to find it and the browser that the person likes. */
const DESKTOP =
  /^(?:XAUTHORITY|BROWSER|DESKTOP_SESSION|XDG_(?:CURRENT_DESKTOP|SESSION_TYPE|DATA_DIRS|CONFIG_DIRS))$/;

/**
 * Opens `url` (http or https: it can't be taken for an option) where there is a person at a terminal with a display; returns whether there
 * is. A browser that does not come is no error: the person has the address.
 */
export function openInBrowser(url: string, env: NodeJS.ProcessEnv): boolean {
  const display = env['DISPLAY'] || env['WAYLAND_DISPLAY'];
  if (display === undefined || display === '' || !hasTerminal()) return false;
  const desktop = Object.entries(env).filter(([name]) => DESKTOP.test(name));
  const child = spawn('xdg-open', [url], {
    detached: true,
    stdio: 'ignore',
    env: { ...childEnvironment(env), ...Object.fromEntries(desktop) },
  });
  child.on('error', () => undefined);
  child.unref();
  return true;
}
