/**
 * What the daemon was told: its configuration, what was made of it, and how another one takes its place while connections go on.
 * Unusable at the start, it makes a pure relay until a reload finds it good; unusable later, the former one stays.
 */
import { changeLines, configChanges, restartKeys, type StartedWith } from '../src/config/changes.ts';
import type { Config } from '../src/config/config.ts';
import type { Reload } from '../src/control/messages.ts';
import { asWardenError, WardenError } from '../src/errors.ts';
import { ed25519Failure } from '../src/system/ed25519.ts';
import { libcFailure } from '../src/system/libc.ts';
import { errorLines } from './check.ts';
import { createMinting, type Minting, type MintingOptions } from './minting.ts';

export interface SetupOptions extends MintingOptions {
  readonly socket: string;
  readonly upstream: string | undefined;
  /** Or why there is none. */
  readonly config: Config | { readonly unusable: string; readonly file: string | undefined };
  /** Reads the configuration again. Throws what makes it unusable. */
  readonly readConfig: () => Config;
}

export class Setup {
  readonly #options: SetupOptions;
  /** Where it listens by its configuration: the socket of one session is another. */
  readonly #socket: string;
  #config: Config | undefined;
  #minting: Minting | undefined;
  #relayOnly: string | undefined;
  #refused: string | undefined;
  #warmed: Promise<unknown> = Promise.resolve();

  /** Never throws: whatever is wrong with the configuration, the daemon relays. */
  constructor(options: SetupOptions) {
    this.#options = options;
    const { config } = options;
    this.#socket = 'unusable' in config ? options.socket : config.agent.socket;
    if ('unusable' in config) {
      this.#relayOnly = config.unusable;
      return;
    }
    this.#config = config;
    try {
      this.#minting = this.#create(config);
    } catch (thrown) {
      this.#relayOnly = asWardenError(thrown).message;
    }
  }

  /** The one that counts; undefined: there has been no usable one. */
  get config(): Config | undefined {
    return this.#config;
  }

  /** The file that it was read from, or is to be read from. */
  get file(): string | undefined {
    return this.#config?.file ?? this.#options.config.file;
  }

  /** Undefined: a pure relay. */
  get minting(): Minting | undefined {
    return this.#minting;
  }

  /** Why nothing is minted. */
  get relayOnly(): string | undefined {
    return this.#relayOnly;
  }

  /** Why the last reload left the former configuration. */
  get refused(): string | undefined {
    return this.#refused;
  }

  /** Keys that have changed since the start and are as they were. */
  get needsRestart(): readonly string[] {
    if (this.#config === undefined || this.#minting === undefined) return [];
    const { stateDir } = this.#minting;
    const started: StartedWith = { socket: this.#socket, upstream: this.#options.upstream, stateDir };
    return restartKeys(started, this.#config);
  }

  /** Writes the start down and learns what can be learnt before the first login. */
  begin(): void {
    if (this.#minting !== undefined) this.#warmed = this.#minting.begin();
    this.#warn(this.#config);
  }

  /** What is allowed and weak is said aloud each time that it begins to count. */
  #warn(config: Config | undefined): void {
    for (const warning of config?.warnings ?? []) this.#options.log.warn(warning);
  }

  /** Reads the configuration again: the next login is by it, or the former one stays. Says so in the log and in the trail. Never throws. */
  reload(): Reload {
    const { log } = this.#options;
    try {
      const changes = this.#replace(this.#options.readConfig());
      this.#relayOnly = undefined;
      this.#refused = undefined;
      log.info({ changes, needs_restart: this.needsRestart }, 'the configuration was read again');
      return { changes: [...changes], needs_restart: [...this.needsRestart], problems: [] };
    } catch (thrown) {
      const { code, message } = asWardenError(thrown);
      this.#refused = message;
      if (this.#minting === undefined) this.#relayOnly = message;
      const what = 'the configuration was refused, the former one stays';
      log.error({ code }, `${what}: ${message}`);
      void this.#minting?.note({
        event: 'config.changed',
        outcome: 'error',
        error_code: code,
        message: what,
      });
      return { changes: [], needs_restart: [], problems: [...errorLines(thrown)] };
    }
  }

  /** Returns what is different. What it throws has changed nothing. */
  #replace(next: Config): readonly string[] {
    if (next.file === undefined && this.file !== undefined) {
      throw new WardenError('config_missing', `${this.file} is not there any more`, {
        hint: 'put it back; to go on with the defaults, stop the agent and start it again',
      });
    }
    const changes = configChanges(this.#minting === undefined ? undefined : this.#config, next);
    if (this.#minting === undefined) {
      this.#minting = this.#create(next);
      this.#config = next;
      this.begin();
    } else {
      this.#minting.configure(next);
      this.#warmed = Promise.all([this.#warmed, this.#minting.warm()]);
      this.#config = next;
      this.#warn(next);
    }
    // A record's message is short: many changes take several.
    for (const message of changeLines(changes)) void this.#minting.note({ event: 'config.changed', message });
    return changes;
  }

  #create(config: Config): Minting {
    const noLibrary = libcFailure();
    if (noLibrary !== undefined)
      throw new WardenError('platform', `the package koffi can't be loaded: ${noLibrary}`);
    const noKeys = ed25519Failure();
    if (noKeys !== undefined) throw new WardenError('platform', `no keys can be made: ${noKeys}`);
    return createMinting(config, this.#options);
  }

  async close(): Promise<void> {
    await this.#warmed;
    await this.#minting?.close();
  }
}
