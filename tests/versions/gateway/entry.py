"""Who may call the proxy. LiteLLM imports this file from beside its configuration, in its own environment."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Request  # type: ignore[import-not-found]
from litellm import BudgetExceededError  # type: ignore[import-not-found]
from litellm.proxy._types import UserAPIKeyAuth  # type: ignore[import-not-found]

_OWNERS: dict[str, dict[str, Any]] = {
    "sk-of-alice": {"user_id": "alice", "team_id": "web", "key_alias": "alice-laptop"},
    "sk-of-bob": {"user_id": "bob", "rpm_limit": 1},
    "sk-of-carol": {"user_id": "carol"},
}


async def authenticate(request: Request, api_key: str) -> UserAPIKeyAuth:
    """The bearer of `api_key`.

    Raises:
        HTTPException: 401, nobody has this key.
        BudgetExceededError: It is Carol's, who has spent her budget.
    """
    if api_key not in _OWNERS:
        raise HTTPException(status_code=401, detail="Authentication Error, Invalid proxy server token passed.")
    if api_key == "sk-of-carol":
        raise BudgetExceededError(current_cost=10.0, max_budget=1.0)
    return UserAPIKeyAuth(api_key=api_key, **_OWNERS[api_key])
