"""Runs a program on a terminal of its own: its screen to stdout, stdin to its keyboard, its status as ours."""
import fcntl
import os
import pty
import select
import struct
import sys
import termios

pid, master = pty.fork()
if pid == 0:
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        print(error, file=sys.stderr)
        os._exit(127)
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
readable = [master, 0]
while True:
    ready = select.select(readable, [], [])[0]
    if 0 in ready:
        typed = os.read(0, 65536)
        if typed:
            os.write(master, typed)
        else:
            readable.remove(0)
    if master in ready:
        try:
            screen = os.read(master, 65536)
        except OSError:
            # Linux says EIO when the last program has closed the terminal.
            break
        if not screen:
            break
        os.write(1, screen)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
