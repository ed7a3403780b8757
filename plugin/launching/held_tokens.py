"""The tokens of one launch as plain values, as they are sealed into its row."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from smart_launch.token import TokenResponse

# RFC 6749 5.1 only recommends expires_in; a server that leaves it out gets asked again soon.
UNKNOWN_LIFE_SECONDS = 300.0


@dataclass(frozen=True)
class HeldTokens:
    """Access and refresh token of a launch.

    Attributes
    ----------
    access, refresh : str
        The refresh token is None when the server gave none.
    expires_at : float
        Of the access token, in seconds since the epoch.
    life_s : float
        The access token's whole life, in seconds.
    """

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    expires_at: float
    life_s: float

    @classmethod
    def of(cls, response: TokenResponse, moment: float) -> HeldTokens:
        """Take over a token response that came at `moment`."""
        life = response.expires_in_s
        life_s = UNKNOWN_LIFE_SECONDS if life is None else float(life)
        return cls(response.access_token, response.refresh_token, moment + life_s, life_s)

    def dump(self) -> str:
        """Give the text that is sealed."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> HeldTokens:
        """Read what `dump` gave."""
        return cls(**json.loads(text))

    def is_usable(self, moment: float, margin_s: float = 0.0) -> bool:
        """Tell whether the access token lives at least `margin_s` longer."""
        return self.expires_at - moment > margin_s
