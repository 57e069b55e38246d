"""supervisord: what it runs, and how it is talked to."""

import http.client
import os
import shlex
import shutil
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from stack.home import Home
from stack.programs import REPOSITORY, STORES, Program

HOME_VARIABLE = "SPOTON_STACK_HOME"
"""Set in every process of a stack, so that its processes can be told from others."""

_NO_WAIT = False
_STOPPED_LAST, _STOPPED_FIRST = 1, 2
_FAILURES = (OSError, xmlrpc.client.Error, http.client.HTTPException)

_HEAD = """\
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={logs}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=1
pidfile={root}/supervisord.pid
childlogdir={logs}
directory={directory}
nodaemon=true
silent=true

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# supervisord stops the groups one after the other, the highest priority first.
_GROUP = """
[group:{name}]
programs={members}
priority={priority}
"""

# A program that dies is started again without end; the pauses grow by a second each.
_PROGRAM = """
[program:{name}]
command={command}
environment={environment}
autostart=false
autorestart=true
startsecs=1
startretries=1000000
stopsignal={stop_signal}
stopwaitsecs=15
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=1
"""


@dataclass(frozen=True, slots=True)
class ProgramState:
    """What supervisord knows of a program.

    Attributes:
        name: Of the program.
        state: supervisord's word, such as RUNNING or BACKOFF.
        pid: Of the process, 0 if there is none.
        description: For people, such as the time that it runs.
    """

    name: str
    state: str
    pid: int
    description: str


class Supervisor:
    """The supervisord of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def configure(self, programs: Sequence[Program]) -> None:
        """Write what supervisord shall run."""
        text = _HEAD.format(
            socket=_escaped(str(self._home.supervisor_socket)),
            logs=_escaped(str(self._home.logs)),
            root=_escaped(str(self._home.root)),
            directory=_escaped(str(REPOSITORY)),
        )
        for group, members in _groups(programs).items():
            text += _GROUP.format(
                name=group,
                members=",".join(program.name for program in members),
                priority=_STOPPED_LAST if group == STORES else _STOPPED_FIRST,
            )
        for program in programs:
            command = _dying_with_supervisor(program)
            text += _PROGRAM.format(
                name=program.name,
                command=_escaped(shlex.join(command)),
                environment=_escaped(_assignments(program.environment)),
                stop_signal=program.stop_signal,
                logs=_escaped(str(self._home.logs)),
            )
        self._home.supervisor_configuration.touch(mode=0o600)
        self._home.supervisor_configuration.write_text(text)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start supervisord, with no program running yet.

        Call this from the main thread: supervisord stops all when the thread that
        started it is gone.
        """
        self._home.supervisor_socket.unlink(missing_ok=True)
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration"]
        command.append(str(self._home.supervisor_configuration))
        with (self._home.logs / "supervisord.out").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 — our own program, no shell.
                dying_with_parent("TERM", command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                env=os.environ | {HOME_VARIABLE: str(self._home.root)},
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Tell whether supervisord takes commands."""
        with suppress(*_FAILURES), self._commands() as commands:
            return bool(commands.getState()["statename"] == "RUNNING")
        return False

    def start(self, programs: Iterable[Program]) -> None:
        """Start programs, without waiting for them."""
        with self._commands() as commands:
            for program in programs:
                commands.startProcess(_full_name(program), _NO_WAIT)

    def states(self) -> dict[str, ProgramState]:
        """Return the state of every program by its name, empty if none can be had."""
        with suppress(*_FAILURES), self._commands() as commands:
            found = commands.getAllProcessInfo()
            return {str(info["name"]): _state(info) for info in found}
        return {}

    @contextmanager
    def _commands(self) -> Iterator[Any]:
        """Connect to supervisord; attributes of what this yields are its commands."""
        address = f"unix://{self._home.supervisor_socket}"
        transport = SupervisorTransport(serverurl=address)
        try:
            server = xmlrpc.client.ServerProxy("http://local", transport=transport)
            yield server.supervisor
        finally:
            transport.close()


def dying_with_parent(signal_name: str, command: Iterable[str]) -> list[str]:
    """Let the kernel signal a command when its parent is gone, where it can."""
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={signal_name}", *command] if setpriv else [*command]


def _dying_with_supervisor(program: Program) -> list[str]:
    return dying_with_parent(program.stop_signal, program.command)


def _groups(programs: Iterable[Program]) -> dict[str, list[Program]]:
    groups: dict[str, list[Program]] = {}
    for program in programs:
        groups.setdefault(program.group, []).append(program)
    return groups


def _full_name(program: Program) -> str:
    return f"{program.group}:{program.name}"


def _state(info: Mapping[str, object]) -> ProgramState:
    return ProgramState(
        name=str(info["name"]),
        state=str(info["statename"]),
        pid=int(str(info["pid"])),
        description=str(info["description"]),
    )


def _assignments(variables: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in variables.items())


def _escaped(text: str) -> str:
    """Protect what supervisord would replace."""
    return text.replace("%", "%%")
