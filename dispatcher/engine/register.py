"""Where provisioned things are kept: what provisioning needs of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Register(Protocol):
    """Where provisioned things are kept. Raises Wrong for what exists already or refers to nothing."""

    def add_account(self, company: str, email: str, api_key: str, secret_hash: str) -> int:
        """A new account with its first key; its number."""
        ...

    def add_key(self, account_id: int, api_key: str, secret_hash: str) -> None:
        """Another key of an account."""
        ...

    def revoke_key(self, api_key: str) -> None:
        """An end to a key."""
        ...

    def find_account(self, name: str) -> int:
        """The account of a key, a number or a company's name."""
        ...

    def add_app(self, account_id: int, values: Mapping[str, Any]) -> int:
        """A new app of an account; its number."""
        ...

    def add_connection(self, name: str, carrier: str, settings: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """A new connection; its number."""
        ...

    def add_sender(self, values: Mapping[str, Any], connection: str, apps: Sequence[str]) -> int:
        """A new sender on a connection, dedicated to these apps if there are any; its number."""
        ...

    def change_app(self, name: str, account: str, values: Mapping[str, Any]) -> None:
        """Other values for an app; `account` says whose is meant where several have it."""
        ...

    def forget_endpoint(self, name: str, account: str) -> None:
        """An end to what is held against an app's callback endpoint: failures, a rest, a stop."""
        ...

    def change_connection(self, name: str, values: Mapping[str, Any]) -> None:
        """Other values for a connection."""
        ...

    def resume_connection(self, name: str) -> None:
        """An end to a stop of a connection, to the rests that came of it, and to what is held against its health."""
        ...

    def change_sender(
        self, number: str, connection: str, values: Mapping[str, Any], apps: Sequence[str] | None = None
    ) -> None:
        """Other values for a sender, and other apps unless `apps` is None; `connection` says which where several."""
        ...

    def remove_connection(self, name: str) -> None:
        """An end to a connection that has no senders and was never heard of. Raises Wrong."""
        ...

    def remove_sender(self, number: str, connection: str) -> None:
        """An end to a sender that never sent anything, nor was written to. Raises Wrong."""
        ...

    def contract(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The carrier of a connection, and its settings."""
        ...
