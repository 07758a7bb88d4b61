/**
 * The few system calls that Node does not offer, through the foreign-function package koffi: peer credentials, poll, flock,
 * dumpable, core limit, alarm. Loaded at first use; a platform without koffi's prebuilt library has none of them.
 */
import { createRequire } from 'node:module';

export interface Libc {
  /** getsockopt(2); `value` is filled in place. Returns 0 or -1. */
  getsockopt(fd: number, level: number, option: number, value: Buffer, length: [number]): number;
  /** poll(2) of one `struct pollfd`, filled in place, without waiting. Returns how many have something to say, or -1. */
  poll(pollfd: Buffer): number;
  /** flock(2). Returns 0 or -1. */
  flock(fd: number, operation: number): number;
  /** prctl(2) with one argument. Returns -1 on failure. */
  prctl(option: number, argument: number): number;
  /** setrlimit(2); `limit` is `struct rlimit`, two unsigned longs. */
  setrlimit(resource: number, limit: Buffer): number;
  /** setsid(2): a session of its own, away from the terminal. Returns -1 on failure. */
  setsid(): number;
  /** alarm(2): SIGALRM after so many seconds; 0 takes it back. Returns the seconds that were left of the one before. */
  alarm(seconds: number): number;
  /** socket(2). Returns a descriptor or -1. */
  socket(domain: number, type: number, protocol: number): number;
  /** sendto(2) without flags; `address` is a `struct sockaddr`. Returns the bytes sent or -1. */
  sendto(fd: number, message: Buffer, address: Buffer): number;
  /** dup2(2): `to` is from now on what `from` is. Returns -1 on failure. */
  dup2(from: number, to: number): number;
  /** close(2). */
  close(fd: number): number;
  /** errno of the last call. */
  errno(): number;
}

let loaded: Libc | undefined;
let failure: unknown;

// require() and not import: the callers are synchronous, and the package must stay unloaded until one of them runs.
function requireKoffi(): typeof import('koffi') {
  return createRequire(import.meta.filename)('koffi');
}

/** The process's own symbols: the C library's, and what Node brings with it. Throws where koffi can't be loaded. */
export function nativeLibrary(): ReturnType<typeof import('koffi')['load']> {
  return requireKoffi().load(null);
}

function load(): Libc {
  const koffi = requireKoffi();
  const library = nativeLibrary();
  const getsockopt = library.func('int getsockopt(int, int, int, _Out_ void*, _Inout_ uint32_t*)');
  const poll = library.func('int poll(_Inout_ void*, ulong, int)');
  const flock = library.func('int flock(int, int)');
  const prctl = library.func('int prctl(int, ulong, ulong, ulong, ulong)');
  const setrlimit = library.func('int setrlimit(int, const void*)');
  const setsid = library.func('int setsid()');
  const alarm = library.func('uint alarm(uint)');
  const socket = library.func('int socket(int, int, int)');
  const sendto = library.func('long sendto(int, const void*, size_t, int, const void*, uint32_t)');
  const dup2 = library.func('int dup2(int, int)');
  const close = library.func('int close(int)');
  return {
    getsockopt: (fd, level, option, value, length) => Number(getsockopt(fd, level, option, value, length)),
    poll: (pollfd) => Number(poll(pollfd, 1, 0)),
    flock: (fd, operation) => Number(flock(fd, operation)),
    prctl: (option, argument) => Number(prctl(option, argument, 0, 0, 0)),
    setrlimit: (resource, limit) => Number(setrlimit(resource, limit)),
    setsid: () => Number(setsid()),
    alarm: (seconds) => Number(alarm(seconds)),
    socket: (domain, type, protocol) => Number(socket(domain, type, protocol)),
    sendto: (fd, message, address) => Number(sendto(fd, message, message.length, 0, address, address.length)),
    dup2: (from, to) => Number(dup2(from, to)),
    close: (fd) => Number(close(fd)),
    errno: () => koffi.errno(),
  };
}

/** The C library, or undefined where koffi cannot be loaded (see `libcFailure`). */
export function libc(): Libc | undefined {
  if (loaded === undefined && failure === undefined) {
    try {
      loaded = load();
    } catch (cause) {
      failure = cause;
    }
  }
  return loaded;
}

/** Why there is no C library: one line, or undefined when there is one. */
export function libcFailure(): string | undefined {
  libc();
  if (failure === undefined) return undefined;
  const text = failure instanceof Error ? failure.message : String(failure);
  return text.split('\n', 1)[0];
}
