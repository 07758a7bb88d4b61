/**
 * What the daemon knows about the agent behind it on behalf of all connections: two facts, which outlive the connection that learned
 * them. That it is locked (`ssh-add -x`) stays until an unlock succeeded, also when the agent behind has been restarted meanwhile.
 */
import { statSync } from 'node:fs';

export class UpstreamState {
  /** The upstream's socket, or undefined where there is none. */
  readonly path: string | undefined;
  /** Whether the upstream took a lock and no unlock since: warden's own identities are locked with it. */
  locked = false;
  /** The socket whose agent closes the connection on a session-bind. */
  #closesOnBind: string | undefined;

  constructor(path: string | undefined) {
    this.path = path;
  }

  /** Remembers that the agent on the socket as it is now closes the connection when it is sent a session-bind. */
  noteClosesOnBind(): void {
    this.#closesOnBind = this.#socketNow();
  }

  /** Whether session-binds are sent. Another agent on the same path gets them again: it may hold keys that `ssh-add -h` restricted. */
  takesBinds(): boolean {
    return this.#closesOnBind === undefined || this.#closesOnBind !== this.#socketNow();
  }

  /** The socket behind the path, told from one that was made later in its place. */
  #socketNow(): string | undefined {
    const stat =
      this.path === undefined ? undefined : statSync(this.path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? undefined : `${stat.dev}:${stat.ino}:${stat.ctimeNs}`;
  }
}
