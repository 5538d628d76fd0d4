# ruff: noqa: S608 - queries are put together from constants of this file; values are bound, always
"""Lists of responses in SQLite."""

import json
from collections.abc import Sequence

from warren.contracts import ListResponses
from warren_ledger.store.lists import PAGE, Listed, span
from warren_ledger.store.runs import RUNNING, pairs
from warren_ledger.store.sqlite.file import File

SETUP = """
CREATE INDEX IF NOT EXISTS responses_account ON responses (account, response_id);
CREATE INDEX IF NOT EXISTS responses_model ON responses (account, model, response_id);
CREATE INDEX IF NOT EXISTS responses_conversation ON responses (account, conversation, response_id)
    WHERE conversation IS NOT NULL;
"""
_RUNS = f"status IN ({', '.join(repr(status) for status in RUNNING)})"
_SEEN = f"account = :account AND kept AND (NOT {_RUNS} OR background) AND expires > :now"
_FILTERS = {
    "model": "model = :model",
    "status": "status = :status",
    "conversation": "conversation = :conversation",
    "created_after": "created_at >= :created_after",
    "created_before": "created_at < :created_before",
    "oldest": "response_id >= :oldest",
    "newest": "response_id <= :newest",
}


class SqliteLists:
    """See `Lists`. Methods with a leading underscore run on the thread."""

    def __init__(self, file: File) -> None:
        self._file = file

    async def responses(self, asked: ListResponses) -> tuple[list[Listed], bool]:
        return await self._file.run(self._responses, asked)

    async def holders(self, account: str, item_ids: Sequence[str]) -> dict[str, str]:
        return await self._file.run(self._holders, account, item_ids)

    async def beside(self, account: str, item_ids: Sequence[str]) -> dict[str, str | None]:
        return await self._file.run(self._beside, account, item_ids)

    def _responses(self, asked: ListResponses) -> tuple[list[Listed], bool]:
        oldest, newest = span(asked)
        given = {**asked.model_dump(exclude={"metadata"}), "oldest": oldest, "newest": newest, "now": self._file.now()}
        where = [_SEEN, *(test for name, test in _FILTERS.items() if given[name] is not None)]
        if asked.after is not None:
            where.append(f"response_id {'>' if asked.ascending else '<'} :after")
        for number, pair in enumerate(pairs(asked.metadata)):
            given[f"pair{number}"] = pair
            where.append(f"response_id IN (SELECT response_id FROM response_metadata WHERE pair = :pair{number})")
        query = (
            f"SELECT response_id, iif({_RUNS}, NULL, body) FROM responses WHERE {' AND '.join(where)}"
            f" ORDER BY response_id {'ASC' if asked.ascending else 'DESC'}"
        )
        found: list[Listed] = []
        size = 0
        for row in self._file.db.execute(query, given):
            size += len(row[1] or b"")
            if len(found) == asked.limit or (found and size > PAGE):
                return found, True
            found.append(Listed(*row))
        return found, False

    def _holders(self, account: str, item_ids: Sequence[str]) -> dict[str, str]:
        query = f"""
            SELECT item_id, max(response_id) FROM response_items JOIN responses USING (response_id)
            WHERE item_id IN (SELECT value FROM json_each(:ids)) AND {_SEEN} GROUP BY item_id
        """
        given = {"ids": json.dumps(list(item_ids)), "account": account, "now": self._file.now()}
        return dict(self._file.db.execute(query, given))

    def _beside(self, account: str, item_ids: Sequence[str]) -> dict[str, str | None]:
        query = f"""
            SELECT item_id, (SELECT value FROM json_each(beside) WHERE key = item_id)
            FROM response_items JOIN responses USING (response_id)
            WHERE item_id IN (SELECT value FROM json_each(:ids)) AND {_SEEN} ORDER BY response_id
        """
        given = {"ids": json.dumps(list(item_ids)), "account": account, "now": self._file.now()}
        return dict(self._file.db.execute(query, given))
