/**
 * Bindings: what a connection has proved about where its login goes (OpenSSH's PROTOCOL.agent section 1; `ssh-agent.c:
 * process_ext_session_bind`). Stricter than OpenSSH 9.2 where the newest source is: one failed bind taints the connection for good.
 */
import { WardenError } from '../../src/errors.ts';
import { isCertificateType, parseCertificate } from '../../src/ssh/certificate.ts';
import { parsePublicKey } from '../../src/ssh/public-key.ts';
import { verifySignatureAside } from '../../src/ssh/signature.ts';
import { Reader } from '../../src/ssh/wire.ts';
import { parseSessionBind, type SessionBind } from '../protocol/messages.ts';

/** `ssh-agent.c: AGENT_MAX_SESSION_IDS`. */
export const MAX_BINDINGS = 16;

/** One verified bind. */
export type Binding = Omit<SessionBind, 'signature'>;

/** The plain key of a bound host key, which may be a whole host certificate. Throws `malformed`, `bad_certificate`. */
export function plainKeyOf(hostKey: Buffer): Buffer {
  const type = new Reader(hostKey).text(128);
  return isCertificateType(type) ? parseCertificate(hostKey).publicKey : hostKey;
}

/** The bindings of one connection, in order. */
export class Bindings {
  readonly #verified: Binding[] = [];
  #tainted = false;

  /** Verified binds, first to last. */
  get all(): readonly Binding[] {
    return this.#verified;
  }

  /** Whether a bind was refused: nothing is minted on this connection any more. */
  get tainted(): boolean {
    return this.#tainted;
  }

  /** Takes one session-bind message; calls must not overlap. Throws `bad_binding` and taints the connection when it is refused. */
  async add(message: Buffer): Promise<void> {
    try {
      await this.#add(parseSessionBind(message));
    } catch (cause) {
      this.#tainted = true;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new WardenError('bad_binding', `a session-bind was refused: ${reason}`, { cause });
    }
  }

  async #add({ hostKey, sessionId, signature, forwarded }: SessionBind): Promise<void> {
    const last = this.#verified.at(-1);
    const known = this.#verified.find((binding) => binding.sessionId.equals(sessionId));
    if (known !== undefined && !known.hostKey.equals(hostKey))
      throw new Error('the session is bound to another host key');
    // Already recorded: said again, it changes nothing, not even whether it is forwarded.
    if (known !== undefined) return;
    if (last !== undefined && !last.forwarded) throw new Error('nothing can be bound after the final bind');
    if (this.#verified.length >= MAX_BINDINGS) throw new Error(`more than ${MAX_BINDINGS} binds`);
    if (!(await verifySignatureAside(parsePublicKey(plainKeyOf(hostKey)), sessionId, signature))) {
      throw new Error("the host key's signature is wrong");
    }
    // Copies: the message's buffer is a slice of whatever the socket gave.
    this.#verified.push({ hostKey: Buffer.from(hostKey), sessionId: Buffer.from(sessionId), forwarded });
  }
}
