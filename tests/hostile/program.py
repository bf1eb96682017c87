"""The same engine as a program that speaks JSON lines: ``program.py DIR TRICK WHERE``."""

import base64
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.hostile.files import HostileFiles


class HostileProgram(HostileFiles):
    """The same, in a process where nobody else is: what breaks that process only does nobody any harm."""

    harmless = HostileFiles.harmless | {"no-files", "break-os", "shallow", "eavesdrop"}


def main() -> None:
    root, trick, at = sys.argv[1:]
    engine: HostileProgram | None = None
    asked, answers = sys.stdin, sys.stdout
    for line in asked:
        question = json.loads(line)
        answer: object = None
        match question["op"]:
            case "open":
                engine = HostileProgram(root, trick=trick, at=at)
                answer = {"promise": "append"}
            case "append":
                assert engine
                engine.append(base64.b64decode(question["payload"]))
            case "records":
                assert engine
                answer = [base64.b64encode(payload).decode() for payload in engine.records()]
        answers.write(json.dumps({"ok": answer}) + "\n")
        answers.flush()


main()
