"""The protocol of the benchmark's workers: a JSON object a line on standard input, one on standard output for each.

A request has "op", an answer has "ok", with "error" where that is false. Anything else that a library prints goes to standard error.
"""

import json
import os
import sys
import traceback


def serve(operations):
    """Answers requests until the input ends. operations maps an op to a function from the request to the answer's fields."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with answers
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = {"ok": True, **operations[request["op"]](request)}
        except Exception as e:
            traceback.print_exc()
            answer = {"ok": False, "error": f"{type(e).__name__}: {e}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def sequences(path):
    """The prompts that the Go side wrote: token ids, the answers' token ids, labels."""
    with open(path) as f:
        file = json.load(f)
    return file["answers"], file["sequences"]
