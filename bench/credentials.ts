/**
 * The ways to log in to OpenBao: `ssh host true` by each beside one by a token, in pairs; and `warden login` beside what `bao` needs for the same
 * request. Left out: what takes a person (userpass, oidc) or a cluster (kubernetes, whose request is jwt's).
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { asAdministrator } from '../test/support/credential-rig.ts';
import { writeKnownHosts } from '../test/support/known-hosts.ts';
import { freePort, openbaoBinary, startOpenBao } from '../test/support/openbao.ts';
import { start } from '../test/support/process.ts';
import { sshArgv } from '../test/support/ssh.ts';
import { startSshd } from '../test/support/sshd.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { makeCa, makeCertificate } from '../test/support/tls.ts';
import { LAUNCHER, startWarden, type Warden } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { interval, median } from './statistics.ts';

const ROUNDS = 60;
const BAO = openbaoBinary() ?? 'bao';

/** A JWT for an hour, signed with ES256. */
function jwtOf(key: ReturnType<typeof generateKeyPairSync>['privateKey']): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { aud: 'warden', sub: 'bench', iat: now, exp: now + 3600 };
  const body = `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' });
  return `${body}.${signature.toString('base64url')}`;
}

async function run(): Promise<readonly Figure[]> {
  const directory = tempDirectory('bench-');
  await makeCa(directory, 'ca');
  await makeCertificate(directory, 'ca', 'bao', 'IP:127.0.0.1');
  await makeCertificate(directory, 'ca', 'machine', 'DNS:machine');
  const tlsPort = await freePort();
  const listener = `listener "tcp" {
    address = "127.0.0.1:${tlsPort}"
    tls_cert_file = "${directory.join('bao.pem')}"
    tls_key_file = "${directory.join('bao.key')}"
  }\n`;
  const bao = await startOpenBao({ args: [`-config=${directory.write('listener.hcl', listener)}`] });
  const sshd = await startSshd({ userCas: [bao.caPublicKey] });
  const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  directory.write('issuer.pem', issuer.publicKey.export({ type: 'spki', format: 'pem' }));
  const grant = `token_policies=${bao.role} token_ttl=1h`;
  await asAdministrator(
    bao,
    directory,
    `bao auth enable approle; bao auth enable jwt; bao auth enable cert
     bao write auth/approle/role/warden ${grant}
     bao read -field=role_id auth/approle/role/warden/role-id > role-id
     bao write -force -field=secret_id auth/approle/role/warden/secret-id > secret-id
     bao write auth/jwt/config jwt_validation_pubkeys=@issuer.pem
     bao write auth/jwt/role/warden role_type=jwt user_claim=sub bound_audiences=warden ${grant}
     bao write auth/cert/certs/warden certificate=@ca.pem ${grant}`,
  );
  const role_id = (await asAdministrator(bao, directory, 'cat role-id')).trim();
  const secret_id = (await asAdministrator(bao, directory, 'cat secret-id')).trim();
  const proxySocket = directory.socket('bao.sock');
  const proxyConfig = `vault { address = "${bao.addr}" }
    auto_auth { method { type = "approle" config = { role_id_file_path = "role-id", secret_id_file_path = "secret-id", remove_secret_id_file_after_reading = false } } }
    api_proxy { use_auto_auth_token = true }
    listener "unix" { address = "${proxySocket}" tls_disable = true }\n`;
  directory.write('proxy.hcl', proxyConfig);
  const proxy = start(BAO, ['proxy', '-config=proxy.hcl'], {
    cwd: directory.path,
    env: { HOME: directory.path },
  });
  await proxy.waitFor('renewed auth token', 20_000);

  const approle = { method: 'approle', role_id, secret_id_file: directory.join('secret-id') };
  const tls = {
    addr: `https://127.0.0.1:${tlsPort}`,
    ca_cert: directory.join('ca.pem'),
    client_cert: directory.join('machine.pem'),
    client_key: directory.join('machine.key'),
  };
  const ways: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['token', {}],
    ['AppRole', { auth: approle }],
    ['AppRole, `inline`', { auth: { ...approle, inline: true } }],
    [
      'JWT',
      { auth: { method: 'jwt', role: 'warden', jwt_file: directory.write('jwt', jwtOf(issuer.privateKey)) } },
    ],
    ['TLS certificate (over TLS, where the token goes without)', { ...tls, auth: { method: 'cert' } }],
    ['`bao proxy` on a Unix socket', { addr: `unix://${proxySocket}`, auth: { method: 'none' } }],
  ];
  const knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
  const wardens: Warden[] = [];
  try {
    for (const [, settings] of ways)
      wardens.push(
        await startWarden({
          openbao: { addr: bao.addr, token: bao.token, settings },
          lanes: { web: { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: bao.role } },
          principals: [sshd.user],
          knownHosts: [knownHosts],
        }),
      );
    const argv = sshArgv({ port: sshd.port, knownHosts });
    const [byToken = [], ...others] = await rounds(
      ROUNDS,
      wardens.map(({ socket }) => ({ argv, env: { SSH_AUTH_SOCK: socket } })),
    );
    const figures = others.map((times, index): Figure => {
      const ratios = times.map((ms, round) => ms / (byToken[round] ?? ms));
      const [low, high] = interval(ratios, median);
      return {
        name: `a login by ${ways[index + 1]?.[0]}, beside one by a token`,
        value: median(ratios),
        unit: '×',
        atMost: 1.05,
        beside: `${digits(median(times))} ms; token ${digits(median(byToken))} ms; ${ROUNDS} pairs [${digits(low)}, ${digits(high)}]`,
      };
    });
    const [write = [], login = []] = await rounds(ROUNDS, [
      {
        argv: [BAO, 'write', 'auth/approle/login', `role_id=${role_id}`, `secret_id=${secret_id}`],
        env: { BAO_ADDR: bao.addr },
      },
      { argv: [LAUNCHER, 'login'], env: wardens[1]?.env ?? {} },
    ]);
    return [
      ...figures,
      {
        name: '`warden login` by AppRole, beside `bao write auth/approle/login`',
        value: median(login) / median(write),
        unit: '×',
        atMost: 0.5,
        beside: `${digits(median(login))} ms; bao ${digits(median(write))} ms; ${ROUNDS} rounds`,
      },
    ];
  } finally {
    for (const warden of wardens) await warden.remove();
    await proxy.stop();
    await sshd.stop();
    await bao.stop();
    directory.remove();
  }
}

export const credentialsBench: Bench = {
  name: 'credentials',
  about: 'a login by each way to log in to OpenBao, beside one by a token; warden login beside bao write',
  run,
};
