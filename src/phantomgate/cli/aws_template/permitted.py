"""Who may invoke a function, by the permissions of its template."""

from __future__ import annotations

from phantomgate.cli.aws_template.apis import Deployed, Function, Permission


def permitted(deployed: Deployed, name: str, principal: str) -> bool:
    """Whether *principal*, a service of AWS, may invoke the function of that *name*; one of elsewhere counts too."""
    function = deployed.functions.get(name)
    if function is None:
        return True
    return any(
        (one.principal in (principal, "*") or "${" in one.principal) and _is_for(deployed, one, function)
        for one in deployed.permissions
    )


def _is_for(deployed: Deployed, one: Permission, function: Function) -> bool:
    target = deployed.functions.get(one.function)
    return not one.function or (target is not None and target.name == function.name)
