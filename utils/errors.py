"""The one error that a user is meant to read, and who says what it is about."""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_LINE, MOST_LINES = 2000, 200  # of a message: characters, and lines

Kinds = type[Exception] | tuple[type[Exception], ...]


class InputError(ValueError):
    """Something a person gave to this project cannot be used.

    The message is the whole help there is: what was done, where, what was found, what was
    expected and what to do next. Jupyter shows it without a traceback, because the traceback
    would speak of our code while the fault lies in the input.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(map(printable, message.split("\n")[:MOST_LINES])))

    def _render_traceback_(self):  # the hook by which IPython lets an error print itself
        return [f"{type(self).__name__}: {self}"]


def printable(text: str) -> str:
    """The beginning of a text, escapes for what cannot be shown: "\\x1b", "\\udcff" of no UTF-8."""
    more = f" … ({len(text):,} characters)" if len(text) > LONGEST_LINE else ""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:LONGEST_LINE]) + more


@contextmanager
def about(name: str, end: str = "; nothing was written.") -> Iterator[None]:
    """Within a with block, errors say what they are about: "Case_004: <problem><end>".

    Deep down a reader knows the value that is wrong, and only further up the file and the case
    are known. name : what to put first, unless the problem begins with it. Memory that does not
    suffice becomes an InputError too.
    """
    try:
        yield
    except InputError as problem:
        first = "" if str(problem).startswith(name) else f"{name}: "
        raise InputError(f"{first}{problem}{end}") from None
    except MemoryError:
        raise InputError(f"{name}: too large for this machine's memory{end}") from None


@contextmanager
def refused(found: str, advice: str, kinds: Kinds = Exception) -> Iterator[None]:
    """Within a with block, errors of these kinds become one: "<found> (<reason>). <advice>".

    Libraries raise nearly anything on damaged or hostile bytes. The reason is the last line of what
    they say, at most 120 characters, or what the system says. An InputError stays as it is, and
    so does a lack of memory, which `about` tells.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except kinds as error:
        said = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
        reason = said.splitlines()[-1].strip()[:120]
        raise InputError(f"{found} ({reason}). {advice}") from error


def refusals(beside: str) -> Callable[..., InputError]:
    """A function of a name and values -> InputError, from messages.json beside a file."""
    sentences = json.loads(Path(beside).with_name("messages.json").read_text(encoding="utf-8"))

    def refusal(name, *values):
        return InputError(sentences[name].format(*values))

    return refusal


def command(main: Callable[..., int | None]) -> Callable[..., int]:
    """Decorate the main function of a command line: an InputError is told, and the exit code is 1.

    So is what the system denies: a full disk, a folder without permission. What `main` returns is
    the exit code otherwise, 0 for None. A terminal without “ or ö shows ? in their place.
    """

    @functools.wraps(main)
    def told(*arguments):
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # what stands in for a terminal may have no encoding
                stream.reconfigure(errors="replace")
        try:
            return main(*arguments) or 0
        except InputError as error:
            print(error, file=sys.stderr)
        except OSError as error:
            where = "" if error.filename is None else f"{printable(str(error.filename))}: "
            print(f"{where}{error.strerror or error}. Nothing more was done.", file=sys.stderr)
        except KeyboardInterrupt:
            print("Stopped. What is finished is kept; start again to go on.", file=sys.stderr)
            return 130
        return 1

    return told
