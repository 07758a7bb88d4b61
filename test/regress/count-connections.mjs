/**
 * Loaded into warden by ./ssh-agent before anything else: one line in $WARDEN_REGRESS_COUNT for each connection that the process
 * accepts and for each that it opens. Written at once, because the process may be killed. Source: node's diagnostics_channel, "net".
 */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';

const file = process.env['WARDEN_REGRESS_COUNT'];
if (file !== undefined) {
  subscribe('net.server.socket', () => appendFileSync(file, 'accepted\n'));
  subscribe('net.client.socket', () => appendFileSync(file, 'opened\n'));
}
