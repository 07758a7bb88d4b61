/**
 * The schema of a catalog: one for every entry, whoever reads it. The routing fields are ops-warden's, and those of a lifecycle; an `ssh:`
 * block makes an entry a lane. The agent looks at lanes alone (`laneEntrySchema`) and at no more of the others than `glanceSchema` has,
 * so that a mistake in a route costs nobody a login.
 */
import * as z from 'zod';
import { durationText } from '../config/duration-text.ts';
import { baoPath, fingerprint } from '../config/schema.ts';
import { ACTOR_TYPES } from '../inventory/actor.ts';
import { principalText } from '../inventory/load.ts';
import { commandWords, PLACEHOLDER_FORMS, type PlaceholderType } from './command.ts';

const text = z.string().max(4096, 'is longer than 4096 characters');
const texts = z.array(text).max(256, 'has more than 256 entries');

const command = z
  .union([text, texts], { error: 'must be a list of words, the program first' })
  .transform((written, context) => {
    const read = commandWords(written);
    if ('words' in read) return read.words;
    context.addIssue({ code: 'custom', message: read.wrong });
    return z.NEVER;
  });

function isPlaceholderType(name: string): name is PlaceholderType {
  return name in PLACEHOLDER_FORMS;
}

const placeholder = z.strictObject({
  type: z
    .enum(Object.keys(PLACEHOLDER_FORMS).filter(isPlaceholderType))
    .meta({ description: 'What it may be filled with; nothing that begins with `-`.' }),
  about: text.default('').meta({ description: 'For people.' }),
});

const id = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be letters, digits and . _ - (at most 128)')
  .meta({
    description:
      'Unique in its layer; a later layer’s entry with the same id is laid over this one field by field, or replaces it where one of the two has `ssh`.',
  });

const status = z.enum(['active', 'draft', 'ready', 'retired']).meta({
  description: 'Only `active` lanes are served, and only `active` routes are answered: docs/promotion.md.',
});

const wardenExecutes = z
  .boolean()
  .default(false)
  .meta({ description: 'Whether warden serves it itself; required for `ssh:`.' });

/** What an entry may say besides `ssh`. */
const entryFields = {
  id,
  status,
  title: text.default('').meta({ description: 'For people.' }),
  need_keywords: texts.default([]).meta({ description: 'Words that find the entry.' }),
  owner_repo: text.default('').meta({ description: 'Who owns it.' }),
  subsystem: text.optional().meta({ description: 'Its part of the owner’s system.' }),
  warden_executes: wardenExecutes,
  wiki_ref: text.optional().meta({
    description:
      'The page: path#anchor, from the directory of this file; or an https URL, which nobody looks at.',
  }),
  canon_ref: text.optional().meta({ description: 'The rule that it follows, written like `wiki_ref`.' }),
  reviewed: text.optional().meta({
    description: 'When somebody last held it against what is so, YYYY-MM-DD; stale after 90 days.',
  }),
  steps: texts.optional().meta({ description: 'What a person does; only with `warden_executes`.' }),
  cert_command: text.optional().meta({
    description: 'The command of tools that want a certificate file; only with `warden_executes`.',
  }),
  policy_ref: text.optional().meta({ description: 'The gate’s name for the need.' }),
  auth_method: text.optional().meta({ description: 'As who the owner’s tool is asked.' }),
  path_template: text.optional().meta({ description: 'Where the owner keeps it, with <placeholders>.' }),
  exec_capable: z
    .boolean()
    .optional()
    .meta({ description: 'Whether it can be fetched as the caller; wants `fetch_command`.' }),
  fetch_command: command.optional().meta({ description: 'Prints the value, run as the caller.' }),
  exec_owner: text.optional().meta({ description: 'Whose tool `exec_command` is.' }),
  exec_command: command.optional().meta({
    description: 'The owner’s tool that runs <cmd> with the value in its environment.',
  }),
  pointer_command: command.optional().meta({ description: 'The owner’s command that shows the way.' }),
  placeholders: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'a placeholder’s name is a-z, 0-9, _ and -'),
      placeholder,
    )
    .default({})
    .meta({ description: 'The type of each <placeholder> but <cmd>.' }),
  not_known: texts
    .default([])
    .meta({ description: 'What nobody here knows about it, said instead of guessed.' }),
  replaced_by: text.optional().meta({ description: 'Of a retired entry: the id to use.' }),
  retired_reason: text.optional().meta({ description: 'Of a retired entry without another in its place.' }),
  promotion: z
    .strictObject({
      sign_off: text.optional().meta({ description: 'Where the owner’s yes is written down.' }),
      probe: command.optional().meta({ description: 'Ends with 0 where the owner’s service is there.' }),
      allowed: command.optional().meta({ description: 'A run that must end with 0.' }),
      denied: command.optional().meta({ description: 'A run that must end with something else.' }),
    })
    .optional()
    .meta({ description: 'What `warden route promote` asks for and runs.' }),
};

/** What the agent needs to know of any entry: whether it is a lane. All else is kept as it is. */
export const glanceSchema = z.looseObject({
  id,
  status: status.optional(),
  warden_executes: wardenExecutes,
  ssh: z.unknown().optional(),
});

export type Glance = z.output<typeof glanceSchema>;

/** A catalog file: entries are checked one by one. */
export const catalogFileSchema = z.strictObject({
  entries: z.array(z.unknown()).default([]),
});

const login = z
  .string()
  .regex(
    /^(\*|[^\s*?,\p{C}]{1,128})$/u,
    'must be a login name, without blanks, commas and wildcards, or "*"',
  );

const EXTENSIONS = [
  'permit-X11-forwarding',
  'permit-agent-forwarding',
  'permit-port-forwarding',
  'permit-pty',
  'permit-user-rc',
  'no-touch-required',
];

const extension = z
  .string()
  .refine(
    (name) => EXTENSIONS.includes(name) || /^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$/.test(name),
    `must be one of: ${EXTENSIONS.join(', ')}, or name@domain`,
  );

/** The `ssh:` block of a lane, as it is written. */
export const sshSchema = z.strictObject({
  hosts: z
    .array(text)
    .max(1024, 'has more than 1024 entries')
    .default([])
    .meta({ description: 'Names, networks (address/prefix) and globs, each also as [host]:port.' }),
  host_keys: z
    .array(fingerprint)
    .max(256, 'has more than 256 entries')
    .default([])
    .meta({ description: 'Fingerprints of host keys that the lane covers whatever they are called.' }),
  host_ca: z.array(fingerprint).max(16, 'has more than 16 entries').default([]).meta({
    description: 'Fingerprints of CAs whose host certificates prove names, for this lane’s `hosts`.',
  }),
  actor: text.default('self').meta({ description: '`self` (warden.yaml’s `actor`), or an actor by name.' }),
  actors: z
    .array(z.enum(ACTOR_TYPES))
    .min(1, 'must not be empty')
    .optional()
    .meta({ description: 'Which types may use the lane.', shown: 'all' }),
  logins: z
    .array(login)
    .min(1, 'must not be empty')
    .max(256, 'has more than 256 entries')
    .meta({ description: 'Names that may be logged in as; `["*"]` leaves it to sshd.' }),
  principals: z
    .array(principalText)
    .min(1, 'must not be empty')
    .optional()
    .meta({ description: 'What the certificate carries; some of the actor’s.', shown: 'the actor’s' }),
  ttl: durationText
    .optional()
    .meta({ description: 'How long a certificate is valid; never above the actor’s cap.', shown: '2m' }),
  role: baoPath
    .optional()
    .meta({ description: 'OpenBao’s SSH role.', shown: 'role_map of the actor’s type' }),
  extensions: z
    .array(extension)
    .min(1, 'is empty, which OpenBao takes for the role’s defaults; leave it out')
    .optional()
    .meta({ description: 'What to ask for.', shown: 'the role’s' }),
  critical_options: z
    .strictObject({
      'force-command': text
        .min(1, 'must not be empty')
        .optional()
        .meta({ description: 'The only command that sshd runs.' }),
      'source-address': text
        .min(1, 'must not be empty')
        .optional()
        .meta({ description: 'Addresses and networks to log in from, comma-separated.' }),
      'verify-required': z
        .literal('', { error: 'must be an empty text: ""' })
        .optional()
        .meta({ description: 'Security keys must have verified their user.' }),
    })
    .optional()
    .meta({ description: 'Merged over the role’s, or refused.', shown: '{}' }),
  upstream: z
    .enum(['hide', 'after'])
    .default('hide')
    .meta({ description: 'The other agent’s keys beside a certificate: hidden, or listed after it.' }),
  forwarded: z
    .union([z.literal('never'), texts], { error: 'must be never, or a list of hosts' })
    .default('never')
    .meta({ description: 'Names of the hosts from which a forwarded agent may use the lane.' }),
  unbound: z.enum(['deny', 'allow']).default('deny').meta({
    description:
      'Clients without a bind, on destination sockets; needs principals that no lane with `deny` uses.',
  }),
  reuse: durationText.default('0s').meta({
    description: 'How long one certificate serves further logins to the host; 30 s less than `ttl` at most.',
  }),
  gate_at: z.enum(['list', 'sign']).default('list').meta({
    description: 'Where a gate is on: `sign` asks it once more at the signature, with the login name.',
  }),
  deadline: durationText.default('3s').meta({ description: 'For the whole mint; at most 60s.' }),
  wait_for_login: durationText.default('0s').meta({
    description:
      'How long ssh waits for `warden login` where nobody is logged in to OpenBao; at most 60s. For `adm-` actors: others never wait.',
  }),
});

export type SshYaml = z.output<typeof sshSchema>;

/** A lane's entry: nothing unknown in it. */
export const laneEntrySchema = z.strictObject({
  ...entryFields,
  ssh: sshSchema.meta({ description: 'Makes the entry a lane.' }),
});

/** Any entry once its layers are laid over each other: nothing unknown in it. */
export const routeEntrySchema = z.strictObject({
  ...entryFields,
  ssh: sshSchema.optional().meta({ description: 'Makes the entry a lane.' }),
});

export type RouteYaml = z.output<typeof routeEntrySchema>;

/** A file as editors check it: an entry that is laid over another one may say little. */
export const catalogSchema = z.strictObject({
  entries: z.array(routeEntrySchema.partial().required({ id: true })).default([]),
});
