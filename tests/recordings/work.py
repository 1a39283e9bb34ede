"""What people ask models at work, and what models answer: templates in eight languages and sampled prompts.

Everything follows from the random generator that is handed in.
"""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

PROMPTS = Path(__file__).parent / "prompts"

_TOPICS = {
    "en": (
        "the renewal of the hosting contract",
        "our onboarding checklist",
        "the spring price list",
        "late deliveries in the northern region",
        "the move to the new ticket system",
        "the annual customer survey",
        "parental leave",
        "the warehouse in Lyon",
        "the data protection agreement with our payroll provider",
        "the release of version 4.2",
        "travel expenses",
        "the budget for training",
        "the partner meeting on Thursday",
        "returns of damaged goods",
    ),
    "fr": (
        "le renouvellement du contrat d'hébergement",
        "la liste des tâches d'accueil",
        "les retards de livraison",
        "le nouveau système de tickets",
        "l'enquête annuelle auprès des clients",
        "le congé parental",
        "l'entrepôt de Lyon",
        "le budget formation",
    ),
    "de": (
        "die Verlängerung des Hosting-Vertrags",
        "die Checkliste für neue Kollegen",
        "verspätete Lieferungen im Norden",
        "der Umzug auf das neue Ticketsystem",
        "die jährliche Kundenumfrage",
        "die Elternzeit",
        "das Lager in Lyon",
        "das Schulungsbudget",
    ),
    "es": (
        "la renovación del contrato de alojamiento",
        "los retrasos en las entregas",
        "la encuesta anual de clientes",
        "el nuevo sistema de incidencias",
        "el presupuesto de formación",
        "el almacén de Lyon",
    ),
    "it": (
        "il rinnovo del contratto di hosting",
        "i ritardi nelle consegne",
        "il sondaggio annuale dei clienti",
        "il nuovo sistema di ticket",
        "il budget per la formazione",
        "il magazzino di Lione",
    ),
    "pt": (
        "a renovação do contrato de alojamento",
        "os atrasos nas entregas",
        "o inquérito anual aos clientes",
        "o novo sistema de tickets",
        "o orçamento de formação",
    ),
    "ru": (
        "продление договора на хостинг",
        "задержки поставок",
        "ежегодный опрос клиентов",
        "новую систему заявок",
        "бюджет на обучение",
    ),
    "ja": (
        "ホスティング契約の更新",
        "配送の遅れ",
        "年次顧客アンケート",
        "新しいチケットシステム",
        "研修予算",
    ),
}

_ASKS = {
    "en": (
        "Summarise {topic} in three sentences for my manager.",
        "Draft a short, friendly e-mail about {topic}. We need an answer by {day}.",
        "Give me five bullet points on {topic} for a slide.",
        "What questions should I expect about {topic}? Keep it short.",
        "Rewrite this so that it sounds less formal: we refer to {topic} and ask for your kind attention.",
        "Make an agenda of {n} minutes for a meeting about {topic}.",
        "Compare two options for {topic} in a small table.",
        "Turn my notes into minutes: {topic} discussed, owner still open, next check on {day}.",
        "What are the risks if we postpone {topic} until {day}?",
    ),
    "fr": (
        "Résume {topic} en trois phrases pour ma responsable.",
        "Rédige un courriel court et aimable sur {topic}. Il nous faut une réponse avant {day}.",
        "Donne-moi cinq points sur {topic} pour une diapositive.",
        "Prépare un ordre du jour de {n} minutes sur {topic}.",
        "Quels sont les risques si nous repoussons {topic} à {day} ?",
    ),
    "de": (
        "Fasse in drei Sätzen für meine Chefin zusammen: {topic}.",
        "Schreibe eine kurze, freundliche Mail. Thema: {topic}. Wir brauchen die Antwort bis {day}.",
        "Nenne mir fünf Stichpunkte für eine Folie: {topic}.",
        "Mache eine Tagesordnung von {n} Minuten. Thema: {topic}.",
        "Welche Fragen muss ich erwarten? Thema: {topic}.",
    ),
    "es": (
        "Resume {topic} en tres frases para mi jefa.",
        "Escribe un correo breve y amable sobre {topic}. Necesitamos respuesta antes del {day}.",
        "Prepara un orden del día de {n} minutos sobre {topic}.",
        "¿Qué riesgos hay si aplazamos {topic} hasta el {day}?",
    ),
    "it": (
        "Riassumi {topic} in tre frasi per la mia responsabile.",
        "Scrivi una mail breve e gentile su {topic}. Ci serve una risposta entro {day}.",
        "Prepara un ordine del giorno di {n} minuti su {topic}.",
    ),
    "pt": (
        "Resume {topic} em três frases para a minha chefe.",
        "Escreve um e-mail curto e simpático sobre {topic}. Precisamos de resposta até {day}.",
        "Prepara uma agenda de {n} minutos sobre {topic}.",
    ),
    "ru": (
        "Кратко, в трёх предложениях, опиши {topic} для руководителя.",
        "Напиши короткое вежливое письмо про {topic}. Ответ нужен к {day}.",
        "Составь повестку встречи на {n} минут про {topic}.",
    ),
    "ja": (
        "{topic}について、上司向けに三文でまとめてください。",
        "{topic}について短い丁寧なメールを書いてください。{day}までに返事が必要です。",
        "{topic}に関する{n}分の会議の議題を作ってください。",
    ),
}

_CODE_ASKS = (
    "Why does this {lang} test fail only on the build server? It compares two {thing} lists.",
    "Write a {lang} function that removes duplicate {thing} records and keeps the newest one.",
    "Explain the difference between the two ways to lock a {thing} row in PostgreSQL.",
    "Review this: for {thing} in items: total += {thing}.price  # sometimes None",
    "How do I page through {n} thousand {thing} rows without loading them all, in {lang}?",
    "Give me a regular expression for our {thing} numbers: two letters, dash, {n} digits.",
    "Write unit tests for parse_{thing}(line: str), with one bad line.",
    "Convert this loop over {thing}s to a generator in {lang}.",
    "What does exit code {n} of our {thing} container mean?",
    "Suggest a clearer name for a class that validates and stores a {thing}.",
    "SQL: {thing}s of the last {n} days by country, with share of the total.",
)
_LANGS = ("Python", "Go", "TypeScript", "Java", "Rust")
_THINGS = ("order", "invoice", "customer", "ticket", "shipment", "session", "payment", "product", "contract")
_DATA_ASKS = (
    "Which chart suits {n} months of {thing} volume by region?",
    "Write SQL: median days from {thing} to shipment by month, without weekends.",
    "The {thing} table has {n} percent empty country codes. How would you treat them in a model?",
    "Explain this result to a non-technical person: p = 0.0{n}, effect on {thing}s 2 percent.",
    "pandas: join {thing}s to customers and keep those with no match.",
    "Make a data dictionary entry for {thing}_status, with five values.",
)
_LEGAL_ASKS = (
    "List the usual clauses of a {thing} agreement between two companies in the EU.",
    "Is a notice period of {n} weeks common for a {thing} contract? Answer in general terms.",
    "Put this clause into plain language: the {thing} shall be deemed accepted unless rejected within {n} days.",
    "Draft a reminder for {thing} 20{n}, second one, polite but firm.",
)
_DAYS = {
    "en": ("Monday", "Wednesday", "Friday", "the 28th"),
    "fr": ("lundi", "mercredi", "vendredi"),
    "de": ("Montag", "Mittwoch", "Freitag"),
    "es": ("lunes", "viernes"),
    "it": ("lunedì", "venerdì"),
    "pt": ("segunda-feira", "sexta-feira"),
    "ru": ("понедельнику", "пятнице"),
    "ja": ("月曜日", "金曜日"),
}

_SENTENCES = {
    "en": (
        "The main point is {topic}.",
        "I would start with the deadline and name one owner.",
        "There are two sensible ways to do it, and the first one is cheaper.",
        "Check the figures of last month before you send it.",
        "A short note to the other team avoids a second meeting.",
        "In my view the risk is small as long as somebody follows up.",
        "Please verify the names and dates, because I do not know them.",
        "If you like, I can turn this into a table.",
        "Keep the tone friendly and end with a clear question.",
        "Nothing here depends on the decision about {topic}.",
        "The effort is about two days, most of it for testing.",
        "Next step: agree on who tells the customers.",
    ),
    "fr": (
        "Le point principal est le suivant : {topic}.",
        "Je commencerais par l'échéance et un seul responsable.",
        "Il y a deux façons raisonnables, la première est moins chère.",
        "Vérifiez les chiffres du mois dernier avant l'envoi.",
        "Gardez un ton aimable et terminez par une question claire.",
        "Si vous le souhaitez, j'en fais un tableau.",
    ),
    "de": (
        "Der wichtigste Punkt: {topic}.",
        "Ich würde mit dem Termin beginnen und eine verantwortliche Person nennen.",
        "Es gibt zwei vernünftige Wege, der erste ist günstiger.",
        "Prüfen Sie die Zahlen des letzten Monats, bevor Sie es senden.",
        "Der Ton bleibt freundlich, am Ende steht eine klare Frage.",
        "Gerne mache ich daraus eine Tabelle.",
    ),
    "es": (
        "El punto principal es {topic}.",
        "Empezaría por la fecha límite y una persona responsable.",
        "Hay dos maneras razonables y la primera es más barata.",
        "Revise las cifras del mes pasado antes de enviarlo.",
    ),
    "it": (
        "Il punto principale è {topic}.",
        "Comincerei dalla scadenza e da una persona responsabile.",
        "Ci sono due modi ragionevoli, il primo costa meno.",
        "Controlli le cifre del mese scorso prima di inviare.",
    ),
    "pt": (
        "O ponto principal é {topic}.",
        "Começaria pelo prazo e por uma pessoa responsável.",
        "Há duas formas razoáveis e a primeira é mais barata.",
    ),
    "ru": (
        "Главное: {topic}.",
        "Я бы начал со срока и одного ответственного.",
        "Есть два разумных пути, первый дешевле.",
        "Проверьте цифры прошлого месяца перед отправкой.",
    ),
    "ja": (
        "要点は{topic}です。",
        "まず期限と担当者を決めることをお勧めします。",
        "合理的な方法は二つあり、最初の方が安価です。",
        "送る前に先月の数字を確認してください。",
    ),
}
_SNIPPETS = (
    "```python\ndef newest({thing}s):\n    seen = {{}}\n    for item in {thing}s:\n        old = seen.get(item.id)\n"
    "        if old is None or old.at < item.at:\n            seen[item.id] = item\n    return [*seen.values()]\n```",
    "```sql\nSELECT country, count(*) AS n\nFROM {thing}\nWHERE created_at >= now() - interval '30 days'\n"
    "GROUP BY country\nORDER BY n DESC;\n```",
    "```go\nfor rows.Next() {{\n\tif err := rows.Scan(&{thing}.ID); err != nil {{\n\t\treturn err\n\t}}\n}}\n```",
    "```python\ndef test_bad_line():\n    with pytest.raises(ValueError):\n        parse_{thing}('???')\n```",
)

_SAMPLED = {
    "code": ("arena-hard-v0.1", "PurpleLlama:instruct"),
    "data": ("arena-hard-v0.1", "gsm8k:train"),
    "research": ("gsm8k:train", "arena-hard-v0.1", "OpenAssistant:en_100"),
    "office": ("self-instruct:user_oriented", "OpenAssistant:en_100"),
    "writing": ("self-instruct:user_oriented", "OpenAssistant:en_100"),
    "legal": ("self-instruct:user_oriented",),
}
_SAMPLED_SHARE = 0.2
_ENGLISH_SHARE = 0.35
"""How often somebody with another mother tongue asks in English."""


@cache
def sampled(name: str) -> tuple[dict[str, str], ...]:
    """The prompts of a file in `prompts/`: rows of family, lang, source and text."""
    with (PROMPTS / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return tuple(json.loads(line) for line in lines)


@cache
def _of_sources(sources: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(row["text"] for row in sampled("benign") if row["source"] in sources)


@cache
def family(name: str) -> tuple[str, ...]:
    """The attack prompts of a family."""
    return tuple(row["text"] for row in sampled("attacks") if row["family"] == name)


def topic(rng: random.Random, language: str = "en") -> str:
    """Something to write about."""
    return rng.choice(_TOPICS[language])


def thing(rng: random.Random) -> str:
    """What a company counts: an order, an invoice."""
    return rng.choice(_THINGS)


def prompt(rng: random.Random, work: str, language: str) -> tuple[str, str]:
    """A question at work, and the language of it."""
    if rng.random() < _ENGLISH_SHARE:
        language = "en"
    if language == "ru" and rng.random() < _SAMPLED_SHARE:
        return rng.choice(_of_sources(("rulm:seed",))), language
    if language == "en" and rng.random() < _SAMPLED_SHARE and work in _SAMPLED:
        return rng.choice(_of_sources(_SAMPLED[work])), language
    special = {"code": _CODE_ASKS, "data": _DATA_ASKS, "legal": _LEGAL_ASKS, "research": _DATA_ASKS}.get(work, ())
    if special and rng.random() < 0.65:
        template, language = rng.choice(special), "en"
    else:
        template = rng.choice(_ASKS[language])
    text = template.format(
        topic=topic(rng, language),
        thing=thing(rng),
        lang=rng.choice(_LANGS),
        n=rng.choice((3, 5, 8, 12, 15, 20, 30, 45)),
        day=rng.choice(_DAYS[language]),
    )
    return text, language


def answer(rng: random.Random, work: str, language: str, sentences: int | None = None) -> str:
    """What a model says to it."""
    count = sentences or max(1, min(14, round(rng.lognormvariate(1.3, 0.6))))
    bank = _SENTENCES[language]
    parts = [rng.choice(bank).format(topic=topic(rng, language)) for _ in range(count)]
    if work in {"code", "data"} and rng.random() < 0.55:
        parts.insert(1, "\n\n" + rng.choice(_SNIPPETS).format(thing=thing(rng)) + "\n\n")
    return ("" if language == "ja" else " ").join(parts)
