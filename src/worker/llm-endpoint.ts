/**
 * A model behind HTTP, in two dialects: llm-connect's `POST /execute {prompt}` → `{content}` (notes of ops-warden, section 6), and OpenAI's
 * `POST /chat/completions {model, messages}` → `choices[0].message.content`, which most servers of models speak. Nothing is repeated. Left
 * out: streaming, tools.
 */
import * as z from 'zod';
import type { LlmConfig } from '../config/config.ts';
import { JsonService } from './exchange.ts';

const DEADLINE_MS = 60_000;
const MAX_ANSWER_BYTES = 256 * 1024;

export interface Model {
  /** The model's text for a fixed charter and data. Throws ExchangeError, ZodError. */
  complete(charter: string, data: string): Promise<string>;
  close(): Promise<void>;
}

const executed = z.looseObject({ content: z.string() });
const completion = z.looseObject({
  choices: z.array(z.looseObject({ message: z.looseObject({ content: z.string() }) })).min(1),
});

/** `env` holds the key. */
export function modelAt({ url, dialect, model, keyEnv }: LlmConfig, env: NodeJS.ProcessEnv): Model {
  const service = new JsonService(url);
  const key = keyEnv === undefined ? undefined : env[keyEnv];
  const headers = key === undefined || key === '' ? {} : { authorization: `Bearer ${key}` };
  const post = (path: string, body: unknown) =>
    service.ask({
      method: 'POST',
      path,
      body,
      headers,
      deadlineMs: DEADLINE_MS,
      limit: MAX_ANSWER_BYTES,
    });
  return {
    async complete(charter, data) {
      if (dialect === 'llm-connect')
        return executed.parse(await post('/execute', { prompt: `${charter}\n\n${data}` })).content;
      const messages = [
        { role: 'system', content: charter },
        { role: 'user', content: data },
      ];
      const answer = completion.parse(await post('/chat/completions', { model, messages, temperature: 0 }));
      return answer.choices[0]?.message.content ?? '';
    },
    close: () => service.close(),
  };
}
