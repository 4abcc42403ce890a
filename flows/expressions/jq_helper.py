"""The helper process behind `jq_process`: reads programs and documents from its input until that is closed. Run, not imported."""

import json
import os
import resource
import struct
import sys

import jq

MAX_MEMORY_BYTES = 256 * 1024 * 1024
MAX_ANSWER_CHARACTERS = 8 * 1024 * 1024


def answer(program: str, document: str) -> list[str]:
    """Return `[status, text]`: ok with one result a line, or program, run or limit with the reason."""
    try:
        compiled = jq.compile(program)
    except ValueError as error:
        return ["program", str(error)]
    lines, length = [], 0
    try:
        for result in compiled.input_text(document):
            line = json.dumps(result)
            length += len(line)
            if length > MAX_ANSWER_CHARACTERS:
                return ["limit", ""]
            lines.append(line)
    except ValueError as error:
        return ["run", str(error)]
    except MemoryError:
        return ["limit", ""]
    return ["ok", "\n".join(lines)]


def send(message: bytes) -> None:
    """Write one message: its length in four bytes, then its bytes."""
    sys.stdout.buffer.write(struct.pack(">I", len(message)) + message)
    sys.stdout.buffer.flush()


def serve() -> None:
    """Answer until the input ends. Memory is bounded for the whole life of the process."""
    # Also what the interpreter set by itself: jq shows the environment to programs.
    os.environ.clear()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    send(b"ready")
    while len(header := sys.stdin.buffer.read(4)) == 4:
        program, document = json.loads(sys.stdin.buffer.read(struct.unpack(">I", header)[0]))
        send(json.dumps(answer(program, document)).encode())


if __name__ == "__main__":
    serve()
