"""What is sealed for one account, and for what."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr

from warren.errors import InvalidRequest
from warren.seal import Sealer
from warren.settings import secret_keys

REASONING = "reasoning"
COMPACTION = "compaction"
_NEEDED_FOR = {REASONING: "'reasoning.encrypted_content'", COMPACTION: "Compacting a conversation"}


def sealer(secret: SecretStr | None, master_key: str | None) -> Sealer | None:
    """What seals with these secrets; nothing does without any, as everybody could open it."""
    return Sealer(secret_keys(secret, master_key)) if secret is not None or master_key else None


@dataclass(frozen=True, slots=True)
class Seals:
    """Seals and opens for an account; without a sealer it can do neither."""

    sealer: Sealer | None
    account: str

    def seal(self, purpose: str) -> Callable[[bytes], str] | None:
        if self.sealer is None:
            return None
        return partial(self.sealer.seal, account=self.account, purpose=purpose)

    def needed(self, purpose: str, param: str | None) -> Callable[[bytes], str]:
        """The seal that this field asks for.

        Raises:
            InvalidRequest: there is none.
        """
        seal = self.seal(purpose)
        if seal is None:
            raise InvalidRequest(
                f"{_NEEDED_FOR[purpose]} needs a secret, and this server has none: set WARREN_SECRET.",
                param=param,
                code="unsupported_parameter",
            )
        return seal

    def unseal(self, purpose: str) -> Callable[[str], bytes | None]:
        if self.sealer is None:
            return lambda _text: None
        return partial(self.sealer.open, account=self.account, purpose=purpose)
