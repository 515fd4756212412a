"""Prepayment tokens by hand: the published vectors, every refusal, and no key in anything that is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import Ended, command, done
from tests.sts.published import METER, PUBLISHED, TOKENS

HEX = PUBLISHED["vending_key"]
MINUTE = ("--issued", "2004-03-01T13:00", "--random", "5")


def options(vector: dict[str, Any] = TOKENS[0], **others: object) -> list[str]:
    """What a vector's meter is set to, as options; `others` replace some, and None leaves one out."""
    settings: dict[str, object] = {
        "vending_key": HEX,
        "supply_group": PUBLISHED["supply_group"],
        "key_type": PUBLISHED["key_type"],
        "key_revision": vector["key_revision"],
        "tariff_index": vector["tariff_index"],
        "pan": vector["pan"],
        "base": vector["base"],
        **others,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    return [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def refused(*arguments: object) -> tuple[str, str]:
    """The code and the message of a command that must fail; the key is in neither."""
    ended = command(*arguments, "--json")
    assert ended.code != 0
    assert HEX not in ended.err + ended.out
    return ended.error["code"], ended.error["message"]


def minted(*arguments: object) -> str:
    return done("sts", "mint", *options(), *MINUTE, *arguments).out.strip()


@pytest.mark.parametrize("vector", TOKENS, ids=lambda vector: vector["case"])
def test_published_tokens_are_minted_and_decoded(vector: dict[str, Any]) -> None:
    """The command prints the 20 digits and nothing else; decoding says what was minted."""
    name, *value = vector["says"]
    arguments = ["--issued", vector["issued"], "--random", PUBLISHED["random"], f"--{name}", *value]
    assert done("sts", "mint", *options(vector), *arguments).out == vector["token"] + "\n"
    document = done("sts", "decode", vector["token"], *options(vector), "--json").document
    assert (document["tid"], document["random"]) == (vector["tid"], PUBLISHED["random"])
    assert {**document, "tokens": [vector["token"]]} == done(
        "sts", "mint", *options(vector), *arguments, "--json"
    ).document


def test_a_credit_is_told_to_people_and_to_programs() -> None:
    """Energy as the ledger has it for programs, kWh for people; digits may be grouped."""
    shown = done("sts", "decode", "5938 6323-4721 3742 6967", *options()).out
    assert "2004-03-01 13:00:00 UTC, identifier 5871660" in shown
    assert "electricity  0.1 kWh" in shown
    assert done("sts", "decode", TOKENS[0]["token"], *options(), "--json").document == {
        "kind": "credit",
        "class": 0,
        "subclass": 0,
        "tid": 5_871_660,
        "issued_ms": 1_078_146_000_000,
        "random": 5,
        "service": "electricity",
        "units": 1,
        "energy_mwh": 100_000,
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--max-power", 1_000), {"kind": "maximum-power", "class": 2, "subclass": 0, "limit_w": 1_000}),
        (("--clear-credit",), {"kind": "clear-credit", "class": 2, "subclass": 1, "register": 0xFFFF}),
        (("--tariff-rate", 7), {"kind": "tariff-rate", "class": 2, "subclass": 2, "rate": 7}),
        (("--clear-tamper",), {"kind": "clear-tamper", "class": 2, "subclass": 5}),
        (("--phase-unbalance", 500), {"kind": "phase-unbalance", "class": 2, "subclass": 6, "limit_w": 500}),
        (("--max-power", 0), {"kind": "maximum-power", "class": 2, "subclass": 0, "limit_w": 0}),
    ],
)
def test_each_engineering_token(arguments: tuple[object, ...], expected: dict[str, object]) -> None:
    """What is asked for is what the meter is told."""
    document = done("sts", "decode", minted(*arguments), *options(), "--json").document
    assert document == {**expected, "tid": 5_871_660, "issued_ms": 1_078_146_000_000, "random": 5}
    assert done("sts", "decode", minted(*arguments), *options()).out.startswith("says")


def test_the_published_key_change() -> None:
    """Four lines; the document says what the meter will be set to, and nothing of its key."""
    vector = PUBLISHED["key_change"]
    asked = ["sts", "mint", *options(), "--change-key", f"tariff-index={vector['to_tariff_index']}"]
    assert done(*asked).out.split() == vector["tokens"]
    document = done(*asked, "--json").document
    assert document.pop("tokens") == vector["tokens"]
    assert document == {
        "kind": "key-change",
        "key_type": 2,
        "key_revision": 1,
        "key_expiry": 255,
        "tariff_index": "02",
        "supply_group": "123457",
        "roll_over": False,
    }
    section = done("sts", "decode", vector["tokens"][2], *options(), "--json").document
    assert section == {"kind": "key-change-section", "class": 2, "subclass": 8, "section": 3}


def test_a_key_change_of_everything(tmp_path: Path) -> None:
    """All names at once, to another utility's key: roll-over follows from the base date."""
    file = key_file(tmp_path, "00" * 20)
    names = "supply-group=654321,key-type=1,key-revision=2,tariff-index=07,base=2014,key-expiry=90"
    asked = ["sts", "mint", *options(), "--new-vending-key-file", file, "--change-key"]
    document = done(*asked, names, "--json").document
    assert (document["supply_group"], document["key_type"], document["key_revision"]) == ("654321", 1, 2)
    assert (document["tariff_index"], document["key_expiry"], document["roll_over"]) == ("07", 90, True)
    same_key = done("sts", "mint", *options(), "--change-key", names, "--json").document
    assert same_key["tokens"][1] != document["tokens"][1]


@pytest.mark.parametrize(
    ("kwh", "rounding", "units"),
    [
        ("1638.3", "exact", 16_383),
        ("1638.4", "exact", 16_384),
        ("18022.3", "up", 180_224),
        ("18022.3", "down", 180_214),
        ("18022.4", "down", 180_224),
        ("181862.3", "up", 1_818_624),
        ("1820162.4", "exact", 18_201_624),
        ("0.05", "up", 1),
        ("12.56", "down", 125),
        ("12.56", "up", 126),
    ],
)
def test_amounts_are_rounded_as_asked(kwh: str, rounding: str, units: int) -> None:
    """Published vectors round up, vending rounds down; the document says what the token carries."""
    document = done("sts", "mint", *options(), *MINUTE, "--kwh", kwh, "--rounding", rounding, "--json").document
    assert (document["units"], document["energy_mwh"]) == (units, units * 100_000)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--kwh", "18022.3", "--rounding", "exact"), "TOKEN_AMOUNT_INVALID"),
        (("--kwh", "12.56", "--rounding", "exact"), "REQUEST_INVALID"),
        (("--kwh", "0.05", "--rounding", "down"), "TOKEN_AMOUNT_INVALID"),
        (("--kwh", "0"), "TOKEN_AMOUNT_INVALID"),
        (("--kwh", "1820162.5"), "TOKEN_AMOUNT_INVALID"),
        (("--kwh", "-1"), "REQUEST_INVALID"),
        (("--kwh", "1e3"), "REQUEST_INVALID"),
        (("--max-power", "16385", "--rounding", "exact"), "TOKEN_AMOUNT_INVALID"),
        ((), "REQUEST_INVALID"),
        (("--kwh", "1", "--clear-credit"), "REQUEST_INVALID"),
        (("--kwh", "1", "--change-key", "tariff-index=02"), "REQUEST_INVALID"),
        (("--change-key", "tariff-index"), "REQUEST_INVALID"),
        (("--change-key", "tarif-index=02"), "REQUEST_INVALID"),
        (("--change-key", "base=1994"), "REQUEST_INVALID"),
        (("--change-key", "key-revision=x"), "REQUEST_INVALID"),
        (("--change-key", "key-revision=10"), "TOKEN_PARAMETER_INVALID"),
        (("--change-key", "key-expiry=256"), "TOKEN_PARAMETER_INVALID"),
        (("--change-key", "key-type=3"), "TOKEN_PARAMETER_INVALID"),
    ],
)
def test_what_cannot_be_minted_is_refused(arguments: tuple[str, ...], code: str) -> None:
    """With the code of the rule."""
    assert refused("sts", "mint", *options(), *MINUTE, *arguments)[0] == code


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"pan": "600727000000000008"}, "TOKEN_METER_NUMBER_INVALID"),
        ({"supply_group": "12345"}, "TOKEN_PARAMETER_INVALID"),
        ({"tariff_index": "1"}, "TOKEN_PARAMETER_INVALID"),
        ({"key_revision": 0}, "TOKEN_PARAMETER_INVALID"),
        ({"key_type": 3}, "TOKEN_PARAMETER_INVALID"),
        ({"vending_key": HEX[:-1]}, "TOKEN_VENDING_KEY_INVALID"),
        ({"vending_key": HEX[:-2]}, "TOKEN_VENDING_KEY_INVALID"),
        ({"vending_key": None}, "REQUEST_INVALID"),
        ({"base": 2014}, "TOKEN_TIME_OUT_OF_RANGE"),
        ({"base": 1994}, "INVALID"),
        ({"key_expiry": 88}, "TOKEN_KEY_EXPIRED"),
        ({"key_expiry": 256}, "TOKEN_PARAMETER_INVALID"),
    ],
)
def test_settings_that_no_meter_has_are_refused(changed: dict[str, object], code: str) -> None:
    """Before anything is minted."""
    assert refused("sts", "mint", *options(**changed), *MINUTE, "--kwh", "0.1")[0] == code


def test_time_and_random_are_said_or_nothing_is_minted() -> None:
    """No clock and no chance hide in a token."""
    for missing in (("--issued", "2004-03-01T13:00"), ("--random", "5")):
        code, message = refused("sts", "mint", *options(), *missing, "--kwh", "0.1")
        assert (code, message) == ("REQUEST_INVALID", "a token needs --issued and --random")
    assert refused("sts", "mint", *options(), "--issued", "yesterday", "--random", 5, "--kwh", "0.1")[0] == "INVALID"


def test_a_token_of_the_special_minute_takes_the_next() -> None:
    """00:01 belongs to the standard."""
    two = [
        done("sts", "mint", *options(), "--issued", f"2004-03-01T00:0{at}", "--random", 5, "--kwh", 1) for at in (1, 2)
    ]
    assert two[0].out == two[1].out


@pytest.mark.parametrize(
    ("digits", "changed", "code"),
    [
        (TOKENS[0]["token"][:-1], {}, "TOKEN_MALFORMED"),
        (TOKENS[0]["token"][:-1] + "8", {}, "TOKEN_CHECK_FAILED"),
        (TOKENS[1]["token"], {}, "TOKEN_CHECK_FAILED"),
        (TOKENS[0]["token"], {"tariff_index": "02"}, "TOKEN_CHECK_FAILED"),
        (TOKENS[0]["token"], {"key_expiry": 88}, "TOKEN_KEY_EXPIRED"),
        ("00000000000134217728", {}, "TOKEN_CLASS_UNKNOWN"),
    ],
    ids=["too short", "altered", "another meter's", "another tariff's", "expired", "class 1"],
)
def test_what_the_meter_would_refuse_is_refused(digits: str, changed: dict[str, object], code: str) -> None:
    """With the code that the meter gives."""
    assert refused("sts", "decode", digits, *options(**changed))[0] == code


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "vending.key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_vending_key_comes_from_a_file_of_its_own(tmp_path: Path) -> None:
    """Forty hexadecimal digits and a line end; the same token as with the key itself."""
    file = key_file(tmp_path, HEX.upper() + "\n")
    with_file = options(vending_key=None, vending_key_file=file)
    assert done("sts", "mint", *with_file, *MINUTE, "--kwh", "0.1").out.strip() == TOKENS[0]["token"]
    assert refused("sts", "decode", TOKENS[0]["token"], *options(vending_key_file=file)) == (
        "REQUEST_INVALID",
        "a vending key is given once: as a file, or itself",
    )


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [
        (HEX, 0o640, "KEY_FILE_UNSAFE"),
        (HEX[:-2], 0o600, "TOKEN_VENDING_KEY_INVALID"),
        ("no key é", 0o600, "TOKEN_VENDING_KEY_INVALID"),
    ],
)
def test_a_key_file_that_others_read_or_that_holds_no_key_is_refused(
    text: str, mode: int, code: str, tmp_path: Path
) -> None:
    """The rules of every key file; what stands in it is not repeated."""
    file = key_file(tmp_path, text, mode)
    found, message = refused("sts", "mint", *options(vending_key=None, vending_key_file=file), *MINUTE, "--kwh", "0.1")
    assert found == code
    assert text not in message


def test_no_key_is_printed(tmp_path: Path) -> None:
    """Neither the vending key nor the meter's, in any form of any command."""
    from ledgernode.sts.keys import VendingKey, derive

    decoder_key = derive(VendingKey.from_hex(HEX), METER).hex()
    new_vending_key = "12" * 20
    change = ("--change-key", "tariff-index=02", "--new-vending-key", new_vending_key)
    ended: list[Ended] = []
    for form in ((), ("--json",)):
        ended += [
            command("sts", "mint", *options(), *MINUTE, "--kwh", "0.1", *form),
            command("sts", "mint", *options(), *change, *form),
            command("sts", "decode", TOKENS[0]["token"], *options(), *form),
            command("sts", "decode", PUBLISHED["key_change"]["tokens"][0], *options(), *form),
            command("sts", "decode", "1", *options(vending_key="xy" + HEX[2:]), *form),
        ]
    for one in ended:
        assert not any(key in one.out + one.err for key in (HEX, HEX[2:], decoder_key, new_vending_key))


def test_help_warns_of_keys_on_the_command_line() -> None:
    """A command line is read by every process of the machine."""
    shown = " ".join(done("sts", "mint", "--help").out.split())
    assert "For published test vectors only: others on this machine can read it." in shown
