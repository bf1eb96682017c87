"""What each kind of violation means, in one sentence; ``docs/reading-a-finding.md`` has the same table."""

from chaoswal.verdict import Violation

MEANINGS = {
    Violation.LOST: "a promised record is missing",
    Violation.HOLE: "later records are there, an earlier one is missing",
    Violation.REORDERED: "records come in another order than they were appended in",
    Violation.DUPLICATED: "a record comes twice, or a sequence number was given twice",
    Violation.INVENTED: "bytes are served that nobody appended or put: a torn record, or garbage",
    Violation.RESURRECTED: "what was cleaned, deleted, or cut by an earlier recovery, came back",
    Violation.UNOPENABLE: "recovery raised",
    Violation.HUNG: "recovery did not come to an end",
    Violation.UNSTABLE: "recovering twice shows something else than recovering once",
    Violation.PHANTOM: "a record was served after a restart and was gone after the next crash",
    Violation.STUCK: "recovered, but it cannot append or read on",
    Violation.CURSOR_AHEAD: "a subscriber skips records it never acknowledged",
    Violation.CURSOR_LOST: "a promised acknowledgement was forgotten",
    Violation.EARLY_CLEANUP: "records were removed before every subscriber had finished them",
    Violation.DISHONEST: (
        "durable data was damaged and cut or served without a word, or success was reported after a failed sync"
    ),
    Violation.LEAK: "files, descriptors, processes or memory are left behind",
}
