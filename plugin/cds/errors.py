"""Errors of the CDS service, one family.

CdsError
├── CallerUnknown        401: the JWT does not prove that a registered EHR calls
├── CallInvalid          400: the call is not one of CDS Hooks 2.0, or of another EHR's record
├── DataMissing          412: what the cards are made from is not there and cannot be fetched
├── CallTooSlow          408: the call does not arrive while it could be answered
├── CallTooLarge         413: more than a chart can be
├── TooManyCalls         429: this EHR calls faster than anybody opens charts
└── KeysUnavailable      503: the EHR's keys have not arrived, so that nobody can prove to be it

The texts hold rules, never a token, a claim or anything about a patient.
"""

from __future__ import annotations

from plugin.errors import PluginError


class CdsError(PluginError):
    """A call that gets no cards."""

    code = "cds_error"
    title = "The CDS service did not answer this call"
    next_step = "Check the registration of this service in the EHR; docs/register.md describes it."


class CallerUnknown(CdsError):  # noqa: N818 (named for what is wrong)
    """The JWT does not prove that a registered EHR calls.

    References
    ----------
    CDS Hooks 2.0, "Trusting CDS Clients"
    """

    code = "caller_unknown"
    status = 401


class CallInvalid(CdsError):  # noqa: N818
    """The body is not a call of this service."""

    code = "call_invalid"
    status = 400


class DataMissing(CdsError):  # noqa: N818
    """Neither prefetched nor to be fetched in time.

    References
    ----------
    CDS Hooks 2.0, "CDS Service Response", status 412
    """

    code = "data_missing"
    status = 412


class CallTooSlow(CdsError):  # noqa: N818
    """The call does not arrive while it could be answered.

    References
    ----------
    RFC 9110, 15.5.9
    """

    code = "too_slow"
    next_step = "Check the connection between the EHR and Wetread, or let the EHR prefetch less."
    status = 408


class CallTooLarge(CdsError):  # noqa: N818
    """More than a chart can be."""

    code = "too_large"
    next_step = "Let the EHR prefetch less; what is missing is searched where it may be."
    status = 413


class TooManyCalls(CdsError):  # noqa: N818
    """More calls than charts are opened."""

    code = "too_many_calls"
    status = 429


class KeysUnavailable(CdsError):  # noqa: N818
    """The EHR does not give its keys just now."""

    code = "keys_unavailable"
    next_step = "Try again in a minute; check cds_jwks_url if it happens again."
    status = 503
