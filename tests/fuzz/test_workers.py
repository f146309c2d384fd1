"""Work in other processes: what kills one is a result with its place, what hangs is ended, the rest goes on."""

import os
import signal
import time

from warpweave.fuzz.workers import Died, each, one_by_one


def work(task, note):
    note(f"before {task}")
    if task == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "hangs":
        time.sleep(60)
    return task.upper()


def test_deaths_are_results_and_the_rest_goes_on():
    found = dict(each(work, one_by_one(["a", "dies", "b", "hangs", "c"]), silent_s=2.0))
    assert {task: found[task] for task in "abc"} == {"a": "A", "b": "B", "c": "C"}
    assert found["dies"] == Died("SIGSEGV", "before dies")
    assert found["hangs"] == Died("hangs", "before hangs")


def test_a_task_may_come_back_in_another_form():
    tasks, seen = ["dies"], []
    for task, result in each(work, lambda: tasks.pop() if tasks else None):
        seen.append((task, result))
        if isinstance(result, Died):
            tasks.append("again")
    assert seen == [("dies", Died("SIGSEGV", "before dies")), ("again", "AGAIN")]
