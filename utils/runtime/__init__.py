"""What the machine can do: devices, memory, several processes. Asked, not assumed."""

# fmt: off
from utils.runtime.devices import (
    best_device, has_fast_bfloat16, has_room, keep_freed_memory, mixed_precision,
    pays_to_compile,
)
from utils.runtime.memory import forget_pages, large_empty
from utils.runtime.processes import (
    first_process_first, parallel_model, process_group, rank_and_count, summed_over_processes,
    wait_for_all,
)
from utils.runtime.spreading import spread

__all__ = [
    "best_device", "first_process_first", "forget_pages", "has_fast_bfloat16", "has_room",
    "keep_freed_memory", "large_empty", "mixed_precision", "parallel_model", "pays_to_compile",
    "process_group", "rank_and_count", "spread", "summed_over_processes", "wait_for_all",
]
# fmt: on
