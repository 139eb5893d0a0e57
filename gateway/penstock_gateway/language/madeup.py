"""Made-up data: names, addresses, numbers and texts that look right and mean nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from penstock_gateway.document import Value
from penstock_gateway.language.calendar import MONTHS, SECOND, WEEKDAYS, Instant
from penstock_gateway.language.gotime import format_instant
from penstock_gateway.language.identifiers import Sequence as Numbers

_MALE = [
    "Adam",
    "Ben",
    "Carl",
    "David",
    "Erik",
    "Felix",
    "George",
    "Hugo",
    "Ivan",
    "Jonas",
    "Karl",
    "Leo",
    "Max",
    "Noah",
    "Oscar",
    "Paul",
    "Ravi",
    "Samir",
    "Tom",
    "Victor",
]
_FEMALE = [
    "Ada",
    "Bella",
    "Clara",
    "Diana",
    "Emma",
    "Fatima",
    "Grace",
    "Hanna",
    "Iris",
    "Julia",
    "Kira",
    "Lena",
    "Maya",
    "Nora",
    "Olga",
    "Petra",
    "Rosa",
    "Sara",
    "Tina",
    "Vera",
]
_LAST = [
    "Abbott",
    "Becker",
    "Costa",
    "Dubois",
    "Evans",
    "Fischer",
    "Garcia",
    "Hansen",
    "Ito",
    "Jensen",
    "Kowalski",
    "Lopez",
    "Meyer",
    "Novak",
    "Okafor",
    "Patel",
]
_WORDS = [
    "accusamus",
    "aliquam",
    "amet",
    "animi",
    "aperiam",
    "architecto",
    "aspernatur",
    "at",
    "autem",
    "beatae",
    "consequatur",
    "corporis",
    "cum",
    "debitis",
    "delectus",
    "dicta",
    "dolor",
    "ea",
    "earum",
    "eius",
    "enim",
    "error",
    "esse",
    "est",
    "et",
    "eum",
    "ex",
    "explicabo",
    "facere",
    "fugiat",
    "harum",
    "hic",
    "id",
    "illum",
    "in",
    "ipsa",
    "iure",
    "labore",
]
_DOMAINS = ("com", "net", "org", "info", "biz")
_CARDS = {"VISA": ("4", 16), "MasterCard": ("51", 16), "American Express": ("34", 15), "Discover": ("6011", 16)}
_CURRENCIES = [
    "AUD",
    "BRL",
    "CAD",
    "CHF",
    "CNY",
    "CZK",
    "DKK",
    "EUR",
    "GBP",
    "HKD",
    "HUF",
    "INR",
    "JPY",
    "KRW",
    "MXN",
    "NOK",
    "NZD",
    "PLN",
    "SEK",
    "SGD",
    "THB",
    "TRY",
    "USD",
    "ZAR",
]
_ZONES = (
    "Africa/Nairobi",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "UTC",
)
_CENTURIES = [
    "I",
    "II",
    "III",
    "IV",
    "V",
    "VI",
    "VII",
    "VIII",
    "IX",
    "X",
    "XI",
    "XII",
    "XIII",
    "XIV",
    "XV",
    "XVI",
    "XVII",
    "XVIII",
    "XIX",
    "XX",
    "XXI",
]
_CHINESE_FIRST = [
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
    "霞",
]
_CHINESE_LAST = ["王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭"]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Maker:
    """Makes data out of a sequence of numbers; `now` is in nanoseconds since 1970."""

    def __init__(self, seed: int, now: int) -> None:
        self._numbers = Numbers(seed)
        self._now = now

    def pick(self, choices: Sequence[str]) -> str:
        """Choose one."""
        return choices[self._numbers.below(len(choices))]

    def digits(self, count: int) -> str:
        """Give that many digits."""
        return "".join(str(self._numbers.below(10)) for _ in range(count))

    def moment(self, layout: str) -> str:
        """Write a moment between 1970 and now by a Go layout."""
        seconds = self._numbers.below(max(self._now // SECOND, 1))
        return format_instant(Instant(seconds * SECOND, 0, "UTC"), layout)

    def unix_time(self) -> int:
        """Give seconds between 1970 and now."""
        return self._numbers.below(max(self._now // SECOND, 1))

    def coordinate(self, limit: int) -> float:
        """Give degrees between -limit and limit."""
        return self._numbers.below(2 * limit * 1_000_000 + 1) / 1_000_000 - limit

    def raw(self, count: int) -> bytes:
        """Give that many bytes."""
        return bytes(self._numbers.below(256) for _ in range(count))

    def word(self, count: int) -> str:
        """Give that many letters."""
        return "".join(self.pick(_LETTERS) for _ in range(count))

    def sentence(self) -> str:
        """Give a sentence of four to ten words."""
        words = [self.pick(_WORDS) for _ in range(4 + self._numbers.below(7))]
        return " ".join(words).capitalize() + "."

    def card_number(self) -> str:
        """Give the number of a payment card, with a right check digit."""
        prefix, length = _CARDS[self.pick(list(_CARDS))]
        body = prefix + self.digits(length - len(prefix) - 1)
        total = 0
        for place, digit in enumerate(reversed(body)):
            number = int(digit) * (2 if place % 2 == 0 else 1)
            total += number - 9 if number > 9 else number
        return body + str(-total % 10)

    def uuid(self) -> str:
        """Give the 32 digits of a random UUID."""
        digits = self.raw(16).hex()
        return f"{digits[:12]}4{digits[13:16]}{'89ab'[int(digits[16], 16) % 4]}{digits[17:]}"

    def first_name(self) -> str:
        """Give a first name."""
        return self.pick(_MALE + _FEMALE)


def _uuid_hyphenated(maker: Maker) -> str:
    digits = maker.uuid()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _jwt(maker: Maker) -> str:
    return ".".join(hashlib.sha256(maker.raw(8)).hexdigest()[:length] for length in (36, 40, 43))


def _domain(maker: Maker) -> str:
    return f"{maker.word(7)}.{maker.pick(_DOMAINS)}"


KINDS: dict[str, Callable[[Maker], Value]] = {
    "": lambda maker: maker.word(25),
    "latitude": lambda maker: maker.coordinate(90),
    "longitude": lambda maker: maker.coordinate(180),
    "unix_time": Maker.unix_time,
    "date": lambda maker: maker.moment("2006-01-02"),
    "time_string": lambda maker: maker.moment("15:04:05"),
    "month_name": lambda maker: maker.pick(MONTHS),
    "year_string": lambda maker: maker.moment("2006"),
    "day_of_week": lambda maker: maker.pick(WEEKDAYS),
    "day_of_month": lambda maker: maker.moment("2"),
    "timestamp": lambda maker: maker.moment("2006-01-02 15:04:05"),
    "century": lambda maker: maker.pick(_CENTURIES),
    "timezone": lambda maker: maker.pick(_ZONES),
    "time_period": lambda maker: maker.moment("PM"),
    "email": lambda maker: f"{maker.word(7)}@{_domain(maker)}",
    "mac_address": lambda maker: maker.raw(6).hex(":"),
    "domain_name": _domain,
    "url": lambda maker: f"https://www.{_domain(maker)}/{maker.word(7)}",
    "username": lambda maker: maker.word(7),
    "ipv4": lambda maker: ".".join(str(byte) for byte in maker.raw(4)),
    "ipv6": lambda maker: maker.raw(16).hex(":", 2),
    "password": lambda maker: maker.word(50),
    "jwt": _jwt,
    "word": lambda maker: maker.pick(_WORDS),
    "sentence": Maker.sentence,
    "paragraph": lambda maker: " ".join(maker.sentence() for _ in range(5)),
    "cc_type": lambda maker: maker.pick(list(_CARDS)),
    "cc_number": Maker.card_number,
    "currency": lambda maker: maker.pick(_CURRENCIES),
    "amount_with_currency": lambda maker: f"{maker.pick(_CURRENCIES)} {int(maker.digits(5))}.{maker.digits(2)}",
    "title_male": lambda maker: maker.pick(("Mr.", "Dr.", "Prof.", "Lord", "King", "Prince")),
    "title_female": lambda maker: maker.pick(("Mrs.", "Ms.", "Miss", "Dr.", "Prof.", "Lady", "Queen", "Princess")),
    "first_name": Maker.first_name,
    "first_name_male": lambda maker: maker.pick(_MALE),
    "first_name_female": lambda maker: maker.pick(_FEMALE),
    "last_name": lambda maker: maker.pick(_LAST),
    "name": lambda maker: f"{maker.first_name()} {maker.pick(_LAST)}",
    "gender": lambda maker: maker.pick(("Male", "Female", "Prefer to skip")),
    "chinese_first_name": lambda maker: maker.pick(_CHINESE_FIRST),
    "chinese_last_name": lambda maker: maker.pick(_CHINESE_LAST),
    "chinese_name": lambda maker: maker.pick(_CHINESE_LAST) + maker.pick(_CHINESE_FIRST),
    "phone_number": lambda maker: f"{maker.digits(3)}-{maker.digits(3)}-{maker.digits(4)}",
    "toll_free_phone_number": lambda maker: f"({maker.pick(('777', '888'))}) {maker.digits(6)}",
    "e164_phone_number": lambda maker: f"+{maker.digits(11)}",
    "uuid_hyphenated": _uuid_hyphenated,
    "uuid_digit": Maker.uuid,
}
