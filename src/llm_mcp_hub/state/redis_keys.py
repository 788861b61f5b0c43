"""Names of the keys in Redis.

Everything of one principal carries one hash tag, so a Redis Cluster keeps it in one slot and a
script may touch all of it. The tag is a digest: principals are free text, keys are not.

    {prefix:<tag>}:session:<id>    hash      the session without its messages
    {prefix:<tag>}:messages:<id>   list      its messages, oldest first
    {prefix:<tag>}:lease:<id>      hash      who holds it, and until when
    {prefix:<tag>}:digest:<digest> zset      sessions with that transcript, by `updated_at`
    {prefix:<tag>}:index           zset      all sessions, by `updated_at`
    {prefix:<tag>}:ends            zset      all sessions, by `expires_at`
    {prefix:<tag>}:by-created      zset      all sessions, by `created_at`
    {prefix:<tag>}:by-messages     zset      all sessions, by the number of their messages
    {prefix:<tag>}:by-tokens       zset      all sessions, by the number of their tokens
    {prefix:<tag>}:journal:<turn>  hash      the journal of a turn without its chunks
    {prefix:<tag>}:chunks:<turn>   stream    its chunks, each entry under the number of its last
    {prefix:<tag>}:key:<key>       string    the turn that has an idempotency key
    prefix:principals              zset      everybody, by the latest `expires_at`
    {prefix:tokens}:by-id          hash      access tokens
    {prefix:tokens}:by-name        hash      their ids
    {prefix:records:<collection>}:records  hash    records by name
    {prefix:records:<collection>}:version  string  how many changes there were
"""

from functools import lru_cache
from hashlib import blake2b

from msgspec import Struct

from llm_mcp_hub.domain.session import SessionSort

KNOWN_PRINCIPALS = 4096
"""Digests to remember; computing one takes a microsecond."""


class PrincipalKeys(Struct, frozen=True):
    """The keys of one principal.

    Attributes:
        base: What they all begin with.
        indexes: All keys that have an entry for each session, in the order of the scripts'
            `INDEXES`.
    """

    base: str
    indexes: tuple[str, ...]

    @property
    def index(self) -> str:
        """All sessions by their last change."""
        return f"{self.base}:index"

    @property
    def ends(self) -> str:
        """All sessions by their end of life."""
        return f"{self.base}:ends"

    def sorted_by(self, sort: SessionSort) -> str:
        """All sessions in an order."""
        return self.index if sort is SessionSort.LAST_USED else f"{self.base}:by-{sort.value}"

    def session(self, session_id: str) -> str:
        """A session."""
        return f"{self.base}:session:{session_id}"

    def messages(self, session_id: str) -> str:
        """Its messages."""
        return f"{self.base}:messages:{session_id}"

    def lease(self, session_id: str) -> str:
        """Its lease."""
        return f"{self.base}:lease:{session_id}"

    def digest(self, digest: str) -> str:
        """The sessions with a transcript."""
        return f"{self.base}:digest:{digest}"

    def journal(self, turn_id: str) -> str:
        """The journal of a turn."""
        return f"{self.base}:journal:{turn_id}"

    def chunks(self, turn_id: str) -> str:
        """Its chunks."""
        return f"{self.base}:chunks:{turn_id}"

    def idempotency(self, key: str) -> str:
        """The turn that has an idempotency key."""
        return f"{self.base}:key:{key}"


@lru_cache(KNOWN_PRINCIPALS)
def principal_keys(prefix: str, principal: str) -> PrincipalKeys:
    """The keys of a principal."""
    tag = blake2b(principal.encode(), digest_size=16).hexdigest()
    base = f"{{{prefix}:{tag}}}"
    names = ("index", "ends", "by-created", "by-messages", "by-tokens")
    return PrincipalKeys(base, tuple([f"{base}:{name}" for name in names]))


def principals_key(prefix: str) -> str:
    """Who has sessions. A slot of its own: no script touches it together with a principal's."""
    return f"{prefix}:principals"


def token_keys(prefix: str) -> tuple[str, str]:
    """Access tokens by id, and ids by name."""
    return (f"{{{prefix}:tokens}}:by-id", f"{{{prefix}:tokens}}:by-name")


def collection_keys(prefix: str, collection: str) -> tuple[str, str]:
    """Records of a collection, and its version."""
    base = f"{{{prefix}:records:{collection}}}"
    return (f"{base}:records", f"{base}:version")
