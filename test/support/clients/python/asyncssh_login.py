"""Logs in with asyncssh, whose agent forwarding sends no bind of its own: whatever the far side sends comes first.

Runs a command and ends with its status; 255 where there was no login, with the reason on stderr.
"""
import argparse
import asyncio
import sys

import asyncssh

options = argparse.ArgumentParser()
options.add_argument("--agent", help="the agent to log in with")
options.add_argument("--key", help="the private key to log in with")
options.add_argument("--forward", help="the agent to forward; default: none")
for name in ("host", "port", "user", "known_hosts", "command"):
    options.add_argument(name)
options = options.parse_args()


async def login():
    connection = await asyncssh.connect(
        options.host,
        int(options.port),
        username=options.user,
        known_hosts=options.known_hosts,
        agent_path=options.agent,
        client_keys=[options.key] if options.key else (),
        agent_forwarding=options.forward or False,
        config=None,
        login_timeout=20,
    )
    async with connection:
        result = await connection.run(options.command, stdin=asyncssh.DEVNULL)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return 255 if result.exit_status is None else result.exit_status


try:
    sys.exit(asyncio.run(login()))
except (OSError, asyncssh.Error) as error:
    print(f"asyncssh: {error}", file=sys.stderr)
    sys.exit(255)
