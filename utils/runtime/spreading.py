"""One function for many things: in processes of this machine, or on a cluster by Dask.

Those here are our own: `ProcessPoolExecutor` ends all when one ends, and does not say over which
thing; Dask's processes would talk over the network, to whoever else is on the machine too.
"""

import multiprocessing
import os
import pkgutil
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

import psutil
import torch

from utils.errors import InputError

MOST_ENDS = 3  # of processes over one thing, before it is given up
ONE_AT_A_TIME = threading.Lock()  # a worker of Dask may have several threads, pyplot cannot


def spread(
    function: str,
    things: Sequence[Any],
    workers: int = 1,
    scheduler: Any = None,
    costs: Callable[[Any], float] = lambda thing: 0.0,
    most: float = 0.0,
) -> Iterator[tuple[int, Any]]:
    """(number of a thing, what the function returned for it), as each is done.

    None for one over which processes ended again and again. function : its name, as "utils.x:y";
    it catches what it raises. workers : processes here, which share the cores. costs, most : bytes
    that a thing needs, and that those at work may need (0: what is free); what needs more is done
    alone. scheduler : address of a Dask scheduler, or a cluster of Dask's, to be asked instead;
    there a thing is done again if its result still lay with a worker that died over another one.
    """
    if scheduler:
        return _by_dask(function, things, scheduler)
    most = most or 0.9 * psutil.virtual_memory().available
    return _in_processes(function, things, workers, costs, most)


def _in_processes(function, things, workers, costs, most):
    """As `spread`; each process is at the end of a pipe, whose end tells of the process's."""
    given = function, max(1, torch.get_num_threads() // workers)
    waiting, idle, busy, ends = deque(range(len(things))), [], {}, Counter()
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                need = costs(things[waiting[0]])
                if busy and need + sum(need for *_, need in busy.values()) > most:
                    break
                pipe, process = idle.pop() if idle else _begun(*given)
                busy[pipe] = process, waiting.popleft(), need
                with suppress(OSError):  # it ended while it was idle, which shows below
                    pipe.send(things[busy[pipe][1]])
            pipe = wait(list(busy))[0]
            process, number, _ = busy.pop(pipe)
            try:
                result = pipe.recv()
                idle.append((pipe, process))
            except (EOFError, OSError):
                process.join()
                result, ends[number] = None, ends[number] + 1
            if result is None and ends[number] < MOST_ENDS:
                waiting.appendleft(number)
            else:
                yield number, result
    finally:
        for process in [p for _, p in idle] + [p for p, *_ in busy.values()]:
            process.terminate()
            process.join()


def _begun(function, threads):
    """(pipe, process) of a new process that waits for things at the pipe's other end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, function, threads), daemon=True)
    with suppress(ValueError):  # Ctrl-C is for who asks; but a thread may not say so
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    process.start()
    with suppress(ValueError, NameError):
        signal.signal(signal.SIGINT, before)
    theirs.close()
    return ours, process


def _serve(pipe, function, threads):
    """What a process does: a thing comes, a result goes, until nobody asks any more."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it has begun to write is removed
    gone = multiprocessing.parent_process().join  # or, started again, it would do things twice
    threading.Thread(target=lambda: (gone(), os._exit(1)), daemon=True).start()
    torch.set_num_threads(threads)
    with suppress(EOFError):
        while True:
            pipe.send(_called(function, pipe.recv()))


def _called(function, thing):
    """What a function of a name returns; in whatever process, and for one thing at a time."""
    with ONE_AT_A_TIME:
        return pkgutil.resolve_name(function)(thing)


def _by_dask(function, things, scheduler):
    """As `spread`; one thing a worker at a time, as what waits there would end with the other."""
    from distributed import Client, KilledWorker, as_completed  # a second, and few have a cluster

    with Client(scheduler) as client:
        waiting, asked, done = deque(range(len(things))), {}, as_completed()
        while waiting or asked:
            while waiting and len(asked) < max(1, len(client.nthreads())):
                future = client.submit(_called, function, things[waiting[0]], pure=False)
                asked[future] = waiting.popleft()
                done.add(future)
            future = next(done)
            number, error = asked.pop(future), future.exception()
            if error and not isinstance(error, KilledWorker):
                raise InputError(f"The cluster fails: {error}. Is this project installed there?")
            yield number, None if error else future.result()
