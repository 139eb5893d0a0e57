"""`penstock key`: credentials that never reach the cluster in clear."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from penstock_operator import console
from penstock_operator.console import Format

EXAMPLES = "Examples: `penstock key create`, `penstock key create mobile --policy gold -n shop | kubectl apply -f -`"
app = typer.Typer(no_args_is_help=True, help="Make credentials.", rich_markup_mode=None)


@app.command("create", epilog=EXAMPLES)
def create(
    name: Annotated[
        str, typer.Argument(help="Name of the Key; without one only the key and its hash are printed.")
    ] = "",
    policy: Annotated[list[str] | None, typer.Option(help="Policy the key holds, `name` or `namespace/name`.")] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the Key.")] = "",
    form: Annotated[Format, typer.Option("--output", "-o", help="How the hash is printed.")] = Format.TABLE,
) -> None:
    """Make a key. Only its hash goes into the cluster; the key itself is shown once.

    With a name, a Key manifest that holds the hash is printed on standard output, and the key on standard error.
    """
    from penstock_operator import keys

    text = keys.mint(os.urandom(keys.ENTROPY))
    made = {"key": text, "id": keys.public_id(text), "hash": keys.hash_of(text)}
    if name:
        _manifest(name, namespace, policy or [], made, form)
    elif policy or namespace:
        console.fail("`--policy` and `--namespace` need the NAME of the Key", console.USAGE)
    elif form is Format.TABLE:
        for label, value in made.items():
            print(f"{label:5} {value}")
    else:
        console.show(made, form)


def _manifest(name: str, namespace: str, policies: list[str], made: dict[str, str], form: Format) -> None:
    from penstock_operator.resources import documents

    if not policies:
        console.fail("a Key needs at least one `--policy`", console.USAGE)
    refs = []
    for policy in policies:
        *where, bare = policy.split("/", 1)
        refs.append({"name": bare} | ({"namespace": where[0]} if where else {}))
    document = {
        "apiVersion": documents.API_VERSION,
        "kind": "Key",
        "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}),
        "spec": {"policyRefs": refs, "hashes": [made["hash"]]},
    }
    problems = documents.read(document).problems
    if problems:
        console.fail("; ".join(str(problem) for problem in problems), console.USAGE)
    console.say(f"{made['key']}\nThis is the only time the key is shown; the manifest holds its hash.")
    console.show(document, Format.YAML if form is Format.TABLE else form)
