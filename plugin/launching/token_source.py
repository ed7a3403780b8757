"""Whoever gives out access tokens: for the launches of users, or for the app itself."""

from __future__ import annotations

from typing import Protocol


class TokenSource(Protocol):
    """Gives access tokens: `Tokens` by the id of a launch, `BackendTokens` by the id of an EHR."""

    def access_token(self, holder: str, /, *, rejected: str | None = None) -> str:
        """Give an access token, never the one that was just rejected.

        Parameters
        ----------
        holder : str
            Whose token.
        rejected : str, optional
            The access token that a server has just answered 401 to.
        """
        ...
