"""Accounts and their credentials."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dispatcher.cli.common import AsJson, answer, instant, listing, provisioned

cli = typer.Typer(help="Customers and their credentials.", no_args_is_help=True)
ONCE = "The secret is shown this once; only its hash is kept."


@cli.command()
def create(
    company: Annotated[str, typer.Option(help="The customer's name.")],
    email: Annotated[str, typer.Option(help="Whom to write to.")],
    as_json: AsJson = False,
) -> None:
    """Make an account and its first credential."""
    with provisioned() as (provisioning, _):
        number, made = provisioning.account(company, email)
    answer({"account": number, "apiKey": made.api_key, "secret": made.secret}, as_json=as_json, note=ONCE)


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every account, with the apiKeys that are in force."""
    from dispatcher.store.tables import Account

    with provisioned() as (_, rows):
        keys = rows.keys()
        shown = [
            {
                "account": row["id"],
                "company": row["company"],
                "email": row["email"],
                "apiKeys": keys.get(row["id"], []),
                "since": instant(row["created_at"]),
            }
            for row in rows.listed(Account)
        ]
    listing(shown, as_json=as_json, line=_line)


def _line(row: dict[str, Any]) -> str:
    return f"{row['account']}  {row['company']}  {row['email']}  {' '.join(row['apiKeys'])}".rstrip()


@cli.command("add-key")
def add_key(
    account: Annotated[str, typer.Argument(help="An apiKey, number or company name.")], as_json: AsJson = False
) -> None:
    """Make another credential of an account; the others stay valid until they are revoked."""
    with provisioned() as (provisioning, _):
        made = provisioning.key(account)
    answer({"apiKey": made.api_key, "secret": made.secret}, as_json=as_json, note=ONCE)


@cli.command("revoke-key")
def revoke_key(api_key: Annotated[str, typer.Argument(help="The apiKey to end.")], as_json: AsJson = False) -> None:
    """End a credential; every process heeds it within two seconds."""
    with provisioned() as (provisioning, _):
        provisioning.revoke(api_key)
    answer({"revoked": api_key}, as_json=as_json)
