"""The garbage collector of a process that is the hub. In a process of its own, which it changes."""

import subprocess
import sys

CODE = """
import gc, weakref
from llm_mcp_hub.commands.collector import YOUNG, spare_the_turns

class Node: pass

spare_the_turns()
looked = []
gc.callbacks.append(lambda phase, _: looked.append(phase))
node = Node(); node.itself = node
found = weakref.ref(node)
del node
kept = [[] for _ in range(YOUNG // 2)]
print("looks at what is in use:", len(looked))
kept += [[] for _ in range(YOUNG)]
print("left of a cycle:", found())
"""


def test_turns_that_run_are_not_looked_at_again_and_again_but_a_cycle_is_found():
    run = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.splitlines() == ["looks at what is in use: 0", "left of a cycle: None"]
