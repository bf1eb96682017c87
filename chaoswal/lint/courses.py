"""What an engine is made to do while it is looked at: fixed programs, one for each contract, and syncs that fail."""

from collections.abc import Mapping

from chaoswal.contracts import CONTRACTS
from chaoswal.ops import (
    Ack,
    Batch,
    Cleanup,
    Delete,
    Done,
    Flush,
    Maintain,
    Poll,
    PutBatch,
    Rotate,
    Subscribe,
    Sync,
    Unsubscribe,
)
from chaoswal.oracle import Traits
from chaoswal.program import Step, parse_step

CALM: Mapping[str, str] = {
    "log": """
append 30
sync
append 700
subscribe s
batch 10 300 40
rotate
append 60
poll s 2
ack s 0 1
flush s
append 5000
sync
poll s 9
ack s 0 1 2 3 4 5 6 7
flush s
cleanup
append 120
append 90
reopen
append 45
rotate
append 1500
sync
subscribe t
maintain
unsubscribe t
append 20
sync
""",
    "kv": """
put 1 30
sync
put 2 700
put-batch 1:40 3:300
sync
delete 2
sync
put 1 30
put 1 5000
sync
reopen
put 2 45
delete 3
reopen
put 3 1500
sync
""",
    "queue": """
enqueue 30
sync
enqueue 700
take
enqueue 40
sync
take
done
enqueue 5000
sync
reopen
enqueue 45
take
done
sync
reopen
take
enqueue 1500
sync
""",
}
"""By contract: everything an engine offers, with syncs in more than one rhythm."""

FAILING: Mapping[str, str] = {
    "log": """
append 30
append 90
sync
rotate
append 60
sync
reopen
append 70
sync
""",
    "kv": """
put 1 30
put 2 90
sync
put 1 60
sync
reopen
put 2 70
sync
""",
    "queue": """
enqueue 30
enqueue 90
sync
take
enqueue 60
sync
reopen
enqueue 70
sync
""",
}
"""What is done while a sync fails: the next calls must not promise what it was for."""

FAULTS = ("fail EIO on fdatasync of * nth 1 once", "fail EIO on fsync of * nth 1 once")

_NEEDS: dict[type[Step], str] = {
    Sync: "sync",
    Delete: "delete",
    PutBatch: "put_batch",
    Done: "ack",
    Batch: "append_batch",
    Rotate: "rotate",
    Cleanup: "cleanup",
    Maintain: "maintain",
    Subscribe: "subscribe",
    Poll: "subscribe",
    Ack: "subscribe",
    Flush: "subscribe",
    Unsubscribe: "unregister",
}
"""What an engine must have for an operation, where not every engine has it."""


def offered(program: str, traits: Traits) -> list[Step]:
    """The steps of a program that an engine has to offer."""
    steps = [parse_step(line) for line in program.split("\n") if line]
    has = {"", *CONTRACTS[traits.contract].members(traits)}
    return [step for step in steps if _NEEDS.get(type(step), "") in has]
