"""The made-up company that is recorded: its people, applications, keys and addresses.

Everything here is invented. Addresses are from ranges kept for documentation, benchmarks and private networks, and
domains are example.com.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

PARIS = "192.0.2"
BERLIN = "198.51.100"
"""The offices: everybody there has one of a few addresses of a proxy."""
CLUSTER = "10.20.4"
"""Where the applications run."""
STRANGERS = "203.0.113"
"""An address range that nobody of the company uses."""


@dataclass(frozen=True, slots=True)
class Team:
    """A team: some people, the models they like and the work they do."""

    id: str
    name: str
    work: str
    """The kind of prompts, see `tests.recordings.work`."""
    office: str
    models: tuple[str, ...]
    people: str
    """First name and language of each, with a comma between."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person or an application, with its key."""

    id: str
    alias: str
    email: str | None
    team: Team
    language: str
    address: str
    """Where its requests come from, at work."""
    home: str
    """Where a person works from at home."""
    user_agent: str

    @property
    def key(self) -> str:
        """The secret, which is the same in each recording."""
        return "sk-" + hashlib.sha256(f"recording {self.id}".encode()).hexdigest()[:40]

    def auth(self) -> dict[str, Any]:
        """What the gateway learns of whoever has the key."""
        return {
            "user_id": self.id,
            "key_alias": self.alias,
            "user_email": self.email,
            "team_id": self.team.id,
            "team_alias": self.team.name,
            "org_id": "org-example",
        }


TEAMS = (
    Team(
        "team-dev",
        "Engineering",
        "code",
        PARIS,
        ("qwen-coder", "gpt-4o", "gpt-4o-mini", "qwen-coder", "o1"),
        "amina en, bastien fr, chloe fr, dmitri ru, elif en, farid en, greta de, hugo fr, ines es, jonas de, karim en, "
        "lena de",
    ),
    Team(
        "team-data",
        "Data",
        "data",
        BERLIN,
        ("gpt-4o", "mistral-large", "gpt-4o-mini"),
        "marco it, nadia en, oskar de, paula es, quentin fr, rania en",
    ),
    Team(
        "team-sales",
        "Sales",
        "office",
        PARIS,
        ("gpt-4o-mini", "gpt-4o"),
        "selim en, tamara ru, ugo it, vera de, willem en, xenia en, yann fr, zoe fr",
    ),
    Team(
        "team-legal",
        "Legal and finance",
        "legal",
        BERLIN,
        ("mistral-large", "gpt-4o-mini"),
        "alma es, boris ru, carla it, dieter de, eva de",
    ),
    Team(
        "team-people",
        "People and communication",
        "writing",
        PARIS,
        ("gpt-4o-mini", "mistral-large"),
        "fanny fr, gaspard fr, helena pt, iris en, jules fr",
    ),
    Team(
        "team-research",
        "Research",
        "research",
        BERLIN,
        ("gpt-4o", "o1", "mistral-large", "gpt-4o-mini"),
        "kenji ja, laila en, mateo es, nora en",
    ),
)
_PLATFORM = Team("team-platform", "Platform", "code", CLUSTER, ("gpt-4o-mini",), "")
_SUPPORT = Team("team-support", "Customer support", "support", CLUSTER, ("gpt-4o-mini",), "")

_AGENTS = (
    "OpenAI/Python 1.99.1",
    "OpenAI/JS 5.12.2",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "python-httpx/0.28.1",
    "curl/8.9.1",
)


def _people() -> tuple[Account, ...]:
    people: list[Account] = []
    for team in TEAMS:
        for name, language in (entry.split() for entry in team.people.split(",") if entry):
            number = len(people) + 1
            agents = _AGENTS if team.work in {"code", "data", "research"} else _AGENTS[2:3]
            people.append(
                Account(
                    id=f"u-{name}",
                    alias=f"{name}-key",
                    email=f"{name}@example.com",
                    team=team,
                    language=language,
                    address=f"{team.office}.{10 + number % 4}",
                    home=f"2001:db8:{0x100 + number:x}::{number:x}",
                    user_agent=agents[number % len(agents)],
                )
            )
    return tuple(people)


def _application(name: str, team: Team, host: int, user_agent: str) -> Account:
    address = f"{CLUSTER}.{host}"
    return Account(f"svc-{name}", f"{name}-prod", None, team, "en", address, address, user_agent)


PEOPLE = _people()
PORTAL = _application("portal", _PLATFORM, 11, "langchain/0.3.27")
"""The assistant in the intranet: one key in front of many people, who are only in the field `user`."""
BATCH = _application("batch", TEAMS[1], 12, "python-httpx/0.28.1")
"""Classifies tickets by night."""
AGENT = _application("agent", TEAMS[0], 13, "OpenAI/Python 1.99.1")
"""A coding agent that calls tools."""
INDEXER = _application("indexer", _PLATFORM, 14, "OpenAI/Python 1.99.1")
"""Embeds documents."""
RAG = _application("handbook", _PLATFORM, 15, "llama-index/0.13.1")
"""Answers from the company's documents, which come back to the model as results of a tool."""
SUPPORT = _application("support", _SUPPORT, 16, "OpenAI/JS 5.12.2")
"""The bot on the public web site."""
APPLICATIONS = (PORTAL, BATCH, AGENT, INDEXER, RAG, SUPPORT)
SHARED = (PORTAL, SUPPORT)
"""Those whose key stands for many end users."""

ACCOUNTS = (*PEOPLE, *APPLICATIONS)


def person(name: str) -> Account:
    """The person of that first name."""
    return next(account for account in PEOPLE if account.id == f"u-{name}")


def keys() -> dict[str, dict[str, Any]]:
    """What the gateway knows: every key and its owner."""
    return {account.key: account.auth() for account in ACCOUNTS}
