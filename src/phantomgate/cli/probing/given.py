"""What we were given to try with: references to secrets, never secrets, but for the token itself."""

from __future__ import annotations

from dataclasses import dataclass, field

MINT_KEY = "env:MINT_KEY"
TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class Given:
    """One server, and who we are there. What is empty was not given; each name is that of a setting, or an option."""

    issuer: str
    client_id: str = ""
    client_secret: str = ""
    """A reference, as `client_key`, `decryption_key` and `mint_key` are."""
    client_auth: str = ""
    """The only way to show who we are that may be tried."""
    client_key: str = ""
    assertion_audience: str = ""
    certificate: str = ""
    """The files of our certificate and its key, as `client_certificate_file` and `client_certificate_key_file`."""
    certificate_key: str = ""
    decryption_key: str = ""
    mint_key: str = MINT_KEY
    endpoint: str = ""
    """The introspection endpoint, whatever the metadata says."""
    keys: str = ""
    """Where the keys are, whatever the metadata says."""
    origins: tuple[str, ...] = ()
    """Where else than at the issuer's own origin its endpoints may be."""
    ca_file: str = ""
    allow_insecure_http: bool = False
    timeout: str = TIMEOUT
    token: str = field(default="", repr=False)
    """A token to try with."""
    grant: bool = False
    """Whether one may be asked for, by client credentials, with this *scope*."""
    scope: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """Where the server's endpoints may be."""
        return (self.issuer, *self.origins)
