"""What the hospital refuses, as a tree.

::

    SandboxError
    ├── RegistrationError   a client or a setting is wrong; the start fails
    ├── OAuthError          an answer of RFC 6749 5.2, in JSON
    ├── AuthorizeRefused    an answer of the authorization endpoint: a redirect, or a page
    ├── FhirProblem         an OperationOutcome with its HTTP status
    └── CdsProblem          a CDS service did not answer, or broke a rule; its cards are not shown
"""

from __future__ import annotations

from collections.abc import Mapping


class SandboxError(Exception):
    """Base of everything that the hospital refuses."""


class RegistrationError(SandboxError):
    """A client registration or a setting is wrong."""


class OAuthError(SandboxError):
    """An error answer of a token, revocation or introspection request (RFC 6749 5.2).

    Parameters
    ----------
    code : str
        ``invalid_request``, ``invalid_client``, ``invalid_grant``, ``unauthorized_client``,
        ``unsupported_grant_type`` or ``invalid_scope``.
    description : str
        A sentence for the client's developer, without secrets.
    """

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description

    @property
    def status(self) -> int:
        """HTTP status: 401 for a client that did not prove who it is, else 400."""
        return 401 if self.code == "invalid_client" else 400


class AuthorizeRefused(SandboxError):  # noqa: N818  a refusal, not a bug
    """An authorization request is refused (RFC 6749 4.1.2.1).

    ``redirect_uri`` is None when it is not proven to be the client's: then nothing is redirected.
    """

    def __init__(
        self, code: str, description: str, redirect_uri: str | None = None, state: str = ""
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.redirect_uri = redirect_uri
        self.state = state


class FhirProblem(SandboxError):  # noqa: N818  a refusal, not a bug
    """A FHIR request is refused.

    Parameters
    ----------
    status : int
        HTTP status.
    code : str
        IssueType of the OperationOutcome (``invalid``, ``not-found``, ``forbidden``, ...).
    text : str
        The rule, then what arrived; no patient data.
    expressions : tuple of str
        FHIRPath of the elements concerned.
    headers : mapping
        Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        expressions: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.expressions = expressions
        self.headers = dict(headers or {})


class CdsProblem(SandboxError):  # noqa: N818  an answer that is not used, not a bug
    """A CDS service gave no answer in time, or one that breaks a rule of CDS Hooks."""
