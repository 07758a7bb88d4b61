/**
 * docs/configuration.md, docs/inventory.schema.json and docs/catalog.schema.json, written from the schemas: `node scripts/docs.mjs` puts them there, and a test compares. Left out:
 * examples of every key (the interface's are in the README and in tests).
 */
import * as z from 'zod';
import { catalogSchema, laneEntrySchema } from '../catalog/schema.ts';
import { inventorySchema } from '../inventory/load.ts';
import { wardenSchema } from './schema.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

const INTRODUCTION = `# Configuration

<!-- Generated from the schemas by \`node scripts/docs.mjs\`. Edit the schemas, not this file. -->

Three files say what warden does; all are YAML, at most 1 MiB, and warden refuses one that others may write, or that lies
in a directory that others may write. Every mistake is said as \`file:line: key: what is wrong\`, with what to do.
\`~\` is your home; other relative paths start at the directory of \`warden.yaml\`.

A value comes from the first place that has it: the command line (\`--config\`, \`--socket\`, \`--upstream\`), a \`WARDEN_*\`
variable, \`warden.yaml\`, a \`BAO_*\` variable, a \`VAULT_*\` variable, the default. A \`BAO_X\` that is set hides \`VAULT_X\`,
even when it is empty. \`BAO_AGENT_ADDR\` comes before \`BAO_ADDR\`.

Durations have a unit: \`500ms\`, \`30s\`, \`2m\`, \`1h\`. So have sizes: \`256KiB\`, \`64MiB\`, \`10GiB\`.

The daemon reads all three again on SIGHUP or \`warden agent --reload\`. A good configuration counts from the next login on;
of a bad one the daemon says why (\`warden status\`, its log) and stays with the former one, or the pure relay that it was.
\`agent.socket\`, \`agent.upstream\` and \`state_dir\` want a restart. A daemon in the background opens its log anew.
`;

/** The whole page as Markdown, ending in a newline. */
export function configurationPage(): string {
  const sections = [
    INTRODUCTION,
    '## `warden.yaml`\n',
    '`$WARDEN_CONFIG`, else `$XDG_CONFIG_HOME/warden/warden.yaml` (`~/.config/warden/warden.yaml`). Without one, the defaults count.\n',
    table(jsonSchema(wardenSchema), ''),
    '## `inventory.yaml`: who\n',
    'Editors check it by [inventory.schema.json](inventory.schema.json): `# yaml-language-server: $schema=FILE` in its first line. `warden inventory` changes it.\n',
    table(jsonSchema(inventorySchema), ''),
    '## Lanes (`catalog/*.yaml`): where\n',
    'A file has a list `entries`. One with `ssh` is a lane, which only narrows what the inventory grants; the others say who serves which need ([catalog.md](catalog.md)). Editors check them by [catalog.schema.json](catalog.schema.json).\n',
    table(jsonSchema(laneEntrySchema), ''),
  ];
  return `${sections.join('\n')}`;
}

/** docs/inventory.schema.json, for editors, ending in a newline. */
export function inventorySchemaText(): string {
  return schemaText("warden's inventory.yaml", inventorySchema);
}

/** docs/catalog.schema.json, the same. */
export function catalogSchemaText(): string {
  return schemaText("a file of warden's catalog", catalogSchema);
}

function schemaText(title: string, schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema: each }) => {
      delete each['shown'];
    },
  });
  return `${JSON.stringify({ title, ...json }, null, 2)}\n`;
}

function jsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}

function table(schema: JsonSchema, prefix: string): string {
  return `| key | value | default | meaning |\n|---|---|---|---|\n${rows(schema, prefix).join('\n')}\n`;
}

function rows(schema: JsonSchema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return [];
    const key = `${prefix}${name}`;
    const required = schema.required?.includes(name) === true;
    const row = `| \`${key}\` | ${cell(typeName(value))} | ${defaultOf(value, required)} | ${cell(value.description ?? '')} |`;
    // The reference's second name for a block: its keys are the same.
    return name === 'vault' ? [row] : [row, ...inner(value, key)];
  });
}

function inner(schema: JsonSchema, key: string): string[] {
  const named = schema.additionalProperties;
  if (typeof named === 'object') return rows(named, `${key}.NAME.`);
  const { items } = schema;
  if (typeof items === 'object' && !Array.isArray(items)) return rows(items, `${key}[].`);
  return rows(schema, `${key}.`);
}

function typeName(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' \\| ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeName).join(' or ');
  switch (schema.type) {
    case 'array': {
      const item = Array.isArray(schema.items) ? undefined : schema.items;
      return typeof item === 'object' ? `list of ${typeName(item)}` : 'list';
    }
    case 'object':
      return 'mapping';
    case 'boolean':
      return '`true` \\| `false`';
    case 'integer':
      return 'whole number';
    default:
      return 'text';
  }
}

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (required) return 'required';
  const shown = schema['shown'];
  if (typeof shown === 'string') return cell(shown);
  const value = schema.default;
  if (value === undefined || value === '') return '';
  return cell(typeof value === 'string' ? value : JSON.stringify(value));
}

function cell(text: string): string {
  return text.replaceAll('\n', ' ');
}
