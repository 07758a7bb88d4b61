/** All fuzz targets. Those that must know what is genuine learn it from the corpus's seeds. */
import type { Corpus } from './corpus.ts';
import type { Target } from './target.ts';
import { knownHosts, sshArguments, sshConfig } from './targets/destination.ts';
import { certificate, keyLine, publicKey, signature } from './targets/keys.ts';
import { list } from './targets/list.ts';
import { control, terminalLine, token, trailRecord } from './targets/local.ts';
import { httpAnswer, minted, openbaoAnswer } from './targets/openbao.ts';
import { bindings, signRequest } from './targets/session.ts';
import { frames, messages } from './targets/wire.ts';

export function allTargets(corpus: Corpus): readonly Target[] {
  return [
    frames,
    messages,
    bindings(corpus),
    signRequest(corpus),
    publicKey,
    keyLine,
    certificate(corpus),
    signature(corpus),
    knownHosts,
    sshConfig,
    sshArguments,
    list,
    httpAnswer,
    openbaoAnswer,
    minted(corpus),
    trailRecord,
    control,
    token,
    terminalLine,
  ];
}
