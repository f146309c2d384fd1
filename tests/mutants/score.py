"""A run with mutants in it ends with a table of who killed whom, and the score. `tests/conftest.py` registers this: only it
is always loaded in the process that prints."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, [])]
    rows = [value for r in reports if r.when == "call" for name, value in r.user_properties if name == "mutant"]
    if not rows:
        return
    killed = sum(oracle != "alive" for _, oracle, _ in rows)
    terminalreporter.section("mutants")
    for name, oracle, examples in sorted(rows):
        programs = "program" if examples == 1 else "programs"
        terminalreporter.write_line(
            f"{name:58} {oracle} after {examples} {programs}" if examples else f"{name:58} ALIVE"
        )
    terminalreporter.write_line(f"mutation score: {100 * killed / len(rows):.1f} % ({killed}/{len(rows)})")
