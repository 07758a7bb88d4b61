/**
 * `warden init`: three questions (or flags), three files. OpenBao is asked what it can tell; what it may not tell, or what is not set up
 * there, is said, and the files are written all the same: they are the person's part. Source: interface, "A user's first day".
 */
import { basename, dirname, join } from 'node:path';
import { readLanes } from '../catalog/load.ts';
import { requireSchema } from '../config/check-schema.ts';
import type { OpenBaoConfig } from '../config/config.ts';
import { resolveOpenBao } from '../config/openbao-block.ts';
import { throwProblems } from '../config/problems.ts';
import { type PathInput, runtimePaths } from '../config/runtime-paths.ts';
import { wardenSchema } from '../config/schema.ts';
import { Sources } from '../config/sources.ts';
import { parseYaml } from '../config/yaml-file.ts';
import { WardenError } from '../errors.ts';
import { readInventory } from '../inventory/load.ts';
import { difference } from './difference.ts';
import { lookAtOpenBao, type OpenBaoView } from './openbao.ts';
import { serverScript } from './server-script.ts';
import { actorType, CHECKS, DEFAULT_LANE, type Flags, proposedRole, type SetUp, wordsOf } from './set-up.ts';
import type { Terminal } from './terminal.ts';
import { inventoryText, laneText, type OpenBaoText, wardenText } from './texts.ts';
import { type Planned, plan, writeFiles } from './write.ts';

export interface InitFlags extends Flags {
  readonly addr?: string;
  readonly mount?: string;
  readonly namespace?: string;
  readonly force?: boolean;
}

export interface InitOptions {
  readonly input: PathInput;
  readonly flags: InitFlags;
  /** Undefined: nobody to ask. */
  readonly terminal: Terminal | undefined;
  readonly localUser: string;
  /** The token is taken out of it. */
  readonly env: NodeJS.ProcessEnv;
  /** YYYY-MM-DD. */
  readonly today: string;
  /** Tells the person something that is no result. */
  readonly say: (line: string) => void;
}

export interface InitResult {
  readonly files: readonly Planned[];
  /** What OpenBao's administrator has to run, where something is missing there as far as the token can see. */
  readonly script: string | undefined;
}

/** Environment variables of OpenBao's with TLS files: the daemon may be started without them, so init writes them down. */
const TLS = [
  ['ca_cert', 'CACERT'],
  ['client_cert', 'CLIENT_CERT'],
  ['client_key', 'CLIENT_KEY'],
] as const;

/** Throws `usage` with every flag that is wrong. */
export function checkFlags(flags: InitFlags): void {
  const checked = { ...CHECKS, logins: CHECKS.principals };
  for (const [name, check] of Object.entries(checked)) {
    const value = Object.entries(flags).find(([flag]) => flag === name)?.[1];
    const wrong = typeof value === 'string' ? check(value) : undefined;
    if (wrong !== undefined)
      throw new WardenError('usage', `--${name} ${wrong}`, { hint: 'warden init --help' });
  }
}

/** The block `openbao:` from flags and environment, resolved as the daemon does it. Throws ConfigError. */
function resolveBlock(
  { input, flags }: InitOptions,
  addr: string | undefined,
): { readonly config: OpenBaoConfig; readonly text: OpenBaoText; readonly addrKnown: boolean } {
  const { configFile } = runtimePaths(input);
  const given = { addr, mount: flags.mount, namespace: flags.namespace };
  const file = parseYaml(configFile, JSON.stringify({ openbao: given }));
  const { openbao = {} } = requireSchema(file, wardenSchema);
  const sources = new Sources(file, input.env, input.home);
  const config = resolveOpenBao(sources, openbao, 'openbao', input.uid);
  throwProblems(sources.problems);
  const paths = TLS.flatMap(([key, variable]) => {
    const { value } = sources.baoPath(variable);
    return value === undefined ? [] : [[key, value] as const];
  });
  const name =
    config.tls.serverName === undefined ? [] : [['tls_server_name', config.tls.serverName] as const];
  return {
    config,
    text: {
      addr: config.addresses,
      mount: config.mount,
      namespace: config.namespace,
      tls: Object.fromEntries([...paths, ...name]),
    },
    addrKnown: sources.origin.get('openbao.addr') !== 'default',
  };
}

/** Flags that stand for questions which nobody can be asked. Throws `usage` where one is missing. */
function requireFlags(missing: Readonly<Record<string, boolean>>): void {
  const names = Object.entries(missing).flatMap(([name, isMissing]) => (isMissing ? [`--${name}`] : []));
  if (names.length === 0) return;
  throw new WardenError('usage', `there is no terminal to ask on, and no ${names.join(', no ')}`, {
    hint: 'warden init --help has an example with every flag',
  });
}

/** The role's own list of names, where it is one that can be copied. */
async function principalsOf(view: OpenBaoView, role: string): Promise<string | undefined> {
  const fields = await view.role(role);
  if (fields === undefined || fields.usersTemplate) return undefined;
  const users = fields.allowedUsers.join(',');
  return CHECKS.principals(users) === undefined && !fields.allowedUsers.includes('*') ? users : undefined;
}

async function answers(options: InitOptions, view: OpenBaoView): Promise<SetUp> {
  const { flags, terminal, localUser } = options;
  const { signable } = view.seen;
  const ask = async (
    flag: string | undefined,
    question: string,
    fallback: string | undefined,
    check: (text: string) => string | undefined,
  ) => flag ?? (await terminal?.ask(question, fallback, check)) ?? fallback ?? '';

  const actor = await ask(
    flags.actor,
    'Who are you (adm-NAME a person, agt- an agent program, atm- an automation)?',
    `adm-${localUser}`,
    CHECKS.actor,
  );
  const proposed = proposedRole(actorType(actor) ?? 'adm');
  const choice =
    signable === undefined || signable.length === 0 ? '' : `; your token may use: ${signable.join(', ')}`;
  const likely =
    signable === undefined || signable.length === 0 || signable.includes(proposed) ? proposed : signable[0];
  const role = await ask(flags.role, `Which role of OpenBao signs for you${choice}?`, likely, CHECKS.role);
  const hosts = wordsOf(
    await ask(
      flags.hosts,
      'Which hosts (web1.example.com, *.example.com, 10.20.0.0/16, [bastion]:2222)?',
      undefined,
      CHECKS.hosts,
    ),
  );
  const told = flags.principals ?? (await principalsOf(view, role));
  if (terminal === undefined) requireFlags({ principals: told === undefined });
  const principals = wordsOf(
    told ?? (await ask(undefined, 'As which user do you log in there?', localUser, CHECKS.principals)),
  );
  const logins = flags.logins === undefined ? principals : wordsOf(flags.logins);
  return { actor, principals, role, hosts, logins, lane: flags.lane ?? DEFAULT_LANE };
}

/** What is missing at OpenBao as far as the token can see; undefined: nothing. */
function missingThere({ seen }: OpenBaoView, role: string): string | undefined {
  const { mount, mounts, signable } = seen;
  if (mounts !== undefined && !mounts.includes(mount))
    return `no SSH engine is mounted at ${mount}/, or your token may not see it${mounts.length === 0 ? '' : `; it sees ${mounts.join(', ')} (--mount)`}`;
  if (signable !== undefined && !signable.includes(role))
    return `there is no role ${role}, or your token may not sign with it`;
  return undefined;
}

/** Where the three files go. inventory.yaml and catalog/ stand beside warden.yaml, which names them where that is not their usual place. */
function textsOf(options: InitOptions, setUp: SetUp, openbao: OpenBaoText): ReadonlyMap<string, string> {
  const { configFile, configDir } = runtimePaths(options.input);
  const directory = dirname(configFile);
  const usual = directory === configDir;
  const places = usual ? undefined : { inventory: 'inventory.yaml', catalog: 'catalog' };
  return new Map([
    [configFile, wardenText(setUp.actor, openbao, places)],
    [join(directory, 'inventory.yaml'), inventoryText(setUp)],
    [join(directory, 'catalog', `${setUp.lane}.yaml`), laneText(setUp, options.today)],
  ]);
}

/** What the daemon would say of the texts: nothing is written that it can't use. Throws ConfigError. */
function checkTexts(texts: ReadonlyMap<string, string>): void {
  const [warden, inventory, lane] = [...texts].map(([path, text]) => parseYaml(path, text));
  if (warden === undefined || inventory === undefined || lane === undefined) return;
  const { actor = '' } = requireSchema(warden, wardenSchema);
  const actors = readInventory(inventory);
  readLanes([[lane]], { actors, self: actors.get(actor), roleMap: {} });
}

/** Shows what would change in files that are there, and asks. Throws `usage` where the answer is no. */
async function confirmChanges(options: InitOptions, planned: readonly Planned[]): Promise<void> {
  const replaced = planned.filter(({ text, before }) => before !== undefined && before !== text);
  for (const { path, before = '', text } of replaced) {
    options.say(`${path} is there already, and would change:`);
    for (const line of difference(before, text)) options.say(`  ${line}`);
  }
  if (replaced.length === 0 || options.flags.force === true) return;
  const question = `Replace ${replaced.map(({ path }) => basename(path)).join(', ')}?`;
  if (await options.terminal?.confirm(question)) return;
  throw new WardenError('usage', 'nothing was written: there are files already, and they differ', {
    hint: 'look at the difference above; --force replaces them, and --undo brings them back',
  });
}

/** Asks, writes, and returns what was written. Throws `usage`, ConfigError, and what writing throws. */
export async function runInit(options: InitOptions): Promise<InitResult> {
  const { flags, terminal, input, say } = options;
  checkFlags(flags);
  let block = resolveBlock(options, flags.addr);
  if (terminal === undefined) {
    requireFlags({
      addr: !block.addrKnown,
      actor: flags.actor === undefined,
      role: flags.role === undefined,
      hosts: flags.hosts === undefined,
    });
  } else if (!block.addrKnown) {
    const [usual] = block.config.addresses;
    block = resolveBlock(options, await terminal.ask('Where is OpenBao?', usual, () => undefined));
  }
  const type = actorType(flags.actor ?? 'adm-');
  const proposed = [...(flags.role === undefined ? [] : [flags.role]), proposedRole(type ?? 'adm')];
  const view = await lookAtOpenBao(block.config, flags.mount, proposed, options.env);
  try {
    for (const note of view.seen.notes) say(note);
    const setUp = await answers(options, view);
    const openbao = { ...block.text, mount: view.seen.mount };
    const texts = textsOf(options, setUp, openbao);
    checkTexts(texts);
    const planned = plan(texts, input.uid);
    await confirmChanges(options, planned);
    const { configFile, stateDir } = runtimePaths(input);
    writeFiles(configFile, planned, [stateDir.value], input.uid);
    const missing = missingThere(view, setUp.role);
    if (missing === undefined) return { files: planned, script: undefined };
    say(
      `${missing}: OpenBao's administrator has to run the script below (warden init --server prints it too)`,
    );
    const { mount, namespace } = openbao;
    return {
      files: planned,
      script: serverScript({ mount, namespace, role: setUp.role, principals: setUp.principals }),
    };
  } finally {
    await view.close();
  }
}
