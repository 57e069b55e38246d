"""Write the tables of docs/permissions.md from the protos.

Run as `python -m scripts.permissions`; with `--check` it only tells whether they are
current.
"""

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from services.common.mesh.methods import MethodRule, declared_methods
from services.common.roles import PERSONAL_SCOPES, SCOPES, Role

FILE = Path(__file__).resolve().parents[1] / "docs" / "permissions.md"
_BEGIN = "<!-- tables -->\n"
_HEADS = (
    "RPC",
    "scope",
    "environment",
    *Role,
    "recorded",
    "services by themselves",
)


def main(arguments: Sequence[str]) -> int:
    """Write the tables or check them; return the exit status."""
    old = FILE.read_text(encoding="utf-8")
    page = old.partition(_BEGIN)[0] + _BEGIN + tables(declared_methods())
    if "--check" not in arguments:
        FILE.write_text(page, encoding="utf-8")
    elif page != old:
        print("docs/permissions.md is old: run `make permissions`", file=sys.stderr)
        return 1
    return 0


def tables(rules: Sequence[MethodRule]) -> str:
    """Return one table for each service."""
    services = groupby(rules, key=lambda rule: rule.method.split("/")[1])
    return "".join(f"\n## {name}\n\n{_table(methods)}" for name, methods in services)


def _table(rules: Iterable[MethodRule]) -> str:
    lines = [_HEADS, ("---",) * len(_HEADS), *map(_row, rules)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _row(rule: MethodRule) -> tuple[str, ...]:
    recorded = "with purpose" if rule.purpose_required else "yes"
    return (
        rule.method.rpartition("/")[2],
        f"`{rule.scope}`",
        f"`{'.'.join(rule.environment_path)}`" if rule.environment_path else "",
        *("✓" if _allowed(rule, role) else "" for role in Role),
        recorded if rule.audited else "",
        ", ".join(sorted(rule.service_callers)),
    )


def _allowed(rule: MethodRule, role: Role) -> bool:
    return rule.scope in SCOPES[role] | PERSONAL_SCOPES


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
