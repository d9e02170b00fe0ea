"""Where credentials are looked for, and what is said when they are not usable."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bulk.errors import CredentialsError
from bulk.vpcep.credentials import find_credentials
from bulk.vpcep.kept_files import exposure
from bulk.vpcep.keys import KeyPair, Token
from bulk.vpcep.logins import Agency, Password

SDK = {"HUAWEICLOUD_SDK_AK": "AK1", "HUAWEICLOUD_SDK_SK": "SK1"}
TOKEN = {"HW_AUTH_TOKEN": "MII"}
TERRAFORM = {"HW_ACCESS_KEY": "AK2", "HW_SECRET_KEY": "SK2"}
USER = {"HW_USER_NAME": "user", "HW_USER_PASSWORD": "hidden", "HW_DOMAIN_NAME": "acme"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home folder with a credentials file of two profiles."""
    folder = tmp_path / ".huaweicloud"
    folder.mkdir()
    (folder / "credentials").write_text(
        "[basic]\nak = AKB\nsk = SKB\n"
        "[night]\nak = AKN\nsk = SK%N\nsecurity_token = T\nproject_id = 77\ndomain_id = d7\n"
        "iam_endpoint = https://iam.example\n"
        "[empty]\nproject_id = 78\n",
        encoding="utf-8",
    )
    return tmp_path


def test_sources_are_tried_in_the_documented_order(home: Path) -> None:
    """The first place that has credentials wins; each one taken away brings the next."""
    env = {**SDK, **TOKEN, **TERRAFORM, **USER}
    expected = [
        (SDK, KeyPair(ak="AK1", sk="SK1")),
        (TOKEN, Token(value="MII")),
        (TERRAFORM, KeyPair(ak="AK2", sk="SK2")),
        (USER, Password(user="user", password="hidden", domain="acme")),
        ({}, KeyPair(ak="AKB", sk="SKB")),
    ]
    for variables, source in expected:
        assert find_credentials(env=env, home=home).source == source
        env = {name: value for name, value in env.items() if name not in variables}


def test_named_profile_goes_before_everything(home: Path) -> None:
    """And brings its project, account and IAM with it."""
    found = find_credentials(env=SDK, home=home, profile="night")
    assert found.source == KeyPair(ak="AKN", sk="SK%N", security_token="T")
    assert (found.project_id, found.account, found.iam_endpoint) == ("77", "d7", "https://iam.example")


def test_credentials_file_can_be_elsewhere(home: Path, tmp_path: Path) -> None:
    """The official SDK's variable names it."""
    path = tmp_path / "elsewhere"
    path.write_text("\ufeff[basic]\nak=A\nsk=S\n", encoding="utf-8")
    env = {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)}
    assert find_credentials(env=env, home=home).source == KeyPair(ak="A", sk="S")


def test_agency_is_the_last_resort_and_lists_where_was_looked(tmp_path: Path) -> None:
    """A person without credentials reads every name that would do."""
    found = find_credentials(env={"HW_PROJECT_ID": "77"}, home=tmp_path)
    assert found.source == Agency()
    assert found.project_id == "77"
    for name in ("HUAWEICLOUD_SDK_AK", "HW_AUTH_TOKEN", "HW_ACCESS_KEY", "HW_USER_NAME", str(tmp_path)):
        assert name in found.place


def test_temporary_keys_and_project_come_with_the_variables(tmp_path: Path) -> None:
    """Blanks and line ends around a value are no part of it."""
    env = {**SDK, "HUAWEICLOUD_SDK_SECURITY_TOKEN": " T\n", "HUAWEICLOUD_SDK_PROJECT_ID": "77"}
    found = find_credentials(env=env, home=tmp_path)
    assert found.source == KeyPair(ak="AK1", sk="SK1", security_token="T")
    assert found.project_id == "77"


def test_account_is_the_named_one_else_the_end_of_the_key_and_a_digest(tmp_path: Path) -> None:
    """What shares one budget is known apart without showing the key, and its owner knows it again."""
    named = find_credentials(env={**SDK, "HW_DOMAIN_NAME": "acme"}, home=tmp_path)
    unnamed, other = (find_credentials(env=env, home=tmp_path) for env in (SDK, TERRAFORM))
    assert named.account == "acme"
    assert find_credentials(env=USER, home=tmp_path).account == "acme"
    assert unnamed.account != other.account
    assert "AK1" not in unnamed.account
    long = find_credentials(env={**SDK, "HUAWEICLOUD_SDK_AK": "AKIDSIMULATOR0000042"}, home=tmp_path)
    assert long.account.startswith("ak-0042-")
    assert "SIM" not in long.account


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({"HUAWEICLOUD_SDK_AK": "AK"}, "HUAWEICLOUD_SDK_SK"),
        ({"HUAWEICLOUD_SDK_SK": "SK"}, "HUAWEICLOUD_SDK_AK"),
        ({"HW_ACCESS_KEY": "AK"}, "HW_SECRET_KEY"),
        ({"HW_USER_NAME": "user"}, "HW_USER_PASSWORD and HW_DOMAIN_NAME"),
        ({"HW_USER_PASSWORD": "hidden", "HW_DOMAIN_NAME": "acme"}, "HW_USER_NAME"),
    ],
)
def test_half_a_pair_is_an_error_that_names_the_other_half(
    home: Path, env: dict[str, str], missing: str
) -> None:
    """Going on to the next source would use a key that nobody meant."""
    with pytest.raises(CredentialsError, match=f"{missing} not set"):
        find_credentials(env=env, home=home)


@pytest.mark.parametrize("profile", ["dawn", "empty"])
def test_profile_without_credentials_is_an_error_that_names_file_and_profile(
    home: Path, profile: str
) -> None:
    """Nothing else is tried in its stead."""
    with pytest.raises(CredentialsError, match=rf"'{profile}' in .*credentials"):
        find_credentials(env=SDK, home=home, profile=profile)


@pytest.mark.parametrize("content", [b"ak = hidden\n", b"[basic]\nhidden\n", b"[basic]\nak=\xff\n"])
def test_broken_file_is_an_error_that_does_not_quote_it(tmp_path: Path, content: bytes) -> None:
    """The parser's own message would show the line, which may be the secret."""
    path = tmp_path / "credentials"
    path.write_bytes(content)
    with pytest.raises(CredentialsError) as raised:
        find_credentials(env={"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)}, home=tmp_path)
    assert str(path) in raised.value.message
    assert "hidden" not in f"{raised.value!r}{raised.value.message}{raised.value.__cause__}"


def test_file_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    """The system's own word says why."""
    with pytest.raises(CredentialsError, match="directory"):
        find_credentials(env={"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(tmp_path)}, home=tmp_path)


NO_KEYS = {
    '"quoted"': "a quote",
    "'quoted'": "a quote",
    "two words": "a blank",
    "a\nb": "a line end",
    "a\r\nb": "a line end",
    "a\tb": "a character",
    "schlüssel": "a character",
    "“quoted”": "a character",
    "a\u00a0b": "a character",
    "a\x7f": "a character",
}


@pytest.mark.parametrize(("value", "what"), NO_KEYS.items())
@pytest.mark.parametrize(
    "name", ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"]
)
def test_what_cannot_be_a_key_is_refused_by_name_and_never_shown(
    tmp_path: Path, name: str, value: str, what: str
) -> None:
    """The mark of a bad copy: sent, it would be one of the few bad signatures that lock a key."""
    with pytest.raises(CredentialsError, match=f"^{name} in the environment .* has {what} in it") as raised:
        find_credentials(env={**SDK, name: value}, home=tmp_path)
    assert value not in raised.value.message + raised.value.hint


@pytest.mark.parametrize("name", ["ak", "sk", "security_token"])
def test_what_cannot_be_a_key_is_refused_from_a_file_too(tmp_path: Path, name: str) -> None:
    """With the section and the path."""
    path = tmp_path / "credentials"
    keys = {"ak": "AK", "sk": "SK", name: '"hidden"'}
    path.write_text("[basic]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))
    with pytest.raises(
        CredentialsError, match=rf"^{name} in \[basic\] of .*credentials has a quote"
    ) as raised:
        find_credentials(env={"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)}, home=tmp_path)
    assert "hidden" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize("name", ["HW_AUTH_TOKEN", "HW_ACCESS_KEY", "HW_SECRET_KEY"])
def test_every_key_and_token_of_the_environment_is_looked_at(tmp_path: Path, name: str) -> None:
    """Whatever tool the variable was made for."""
    env = {**(TOKEN if name in TOKEN else TERRAFORM), name: "'hidden'"}
    with pytest.raises(CredentialsError, match=f"^{name} in the environment"):
        find_credentials(env=env, home=tmp_path)


@pytest.mark.parametrize("name", USER)
def test_text_that_is_no_utf_8_is_an_error_that_does_not_show_it(tmp_path: Path, name: str) -> None:
    """As an old locale may have written it."""
    with pytest.raises(CredentialsError, match=f"{name} in the environment") as raised:
        find_credentials(env={**USER, name: "schl\udcfcssel"}, home=tmp_path)
    assert "ssel" not in raised.value.message


def test_password_and_keys_show_in_no_representation(tmp_path: Path) -> None:
    """What was found may end in a traceback."""
    shown = repr([find_credentials(env=env, home=tmp_path) for env in (USER, SDK, TOKEN)])
    assert not any(secret in shown for secret in ("hidden", "SK1", "MII"))


# Who else has the file


def file_of_mode(tmp_path: Path, mode: int) -> dict[str, str]:
    """Write a credentials file of this mode; give the variable that names it."""
    path = tmp_path / "my keys"
    path.write_text("[basic]\nak = A\nsk = hidden\n")
    path.chmod(mode)
    return {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)}


@pytest.mark.parametrize(
    ("mode", "owner", "said"),
    [(0o640, 1000, "others"), (0o640, 0, ""), (0o644, 0, "others"), (0o604, 0, "others"), (0o600, 1000, "")],
)
def test_a_file_of_root_may_be_read_by_its_group(
    mode: int, owner: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is not root reads it in no other way: a Secret in a pod is such a file."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    found = os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, 1000, 9, 0, 0, 0))
    assert exposure(Path("/nats/run.toml"), found, "the file").partition(" ")[0] == said


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o622, 0o666, 0o777])
def test_file_that_others_may_write_is_refused_with_the_chmod(tmp_path: Path, mode: int) -> None:
    """Whoever can write there says whose keys are used, and where they go."""
    with pytest.raises(CredentialsError, match="others may write") as raised:
        find_credentials(env=file_of_mode(tmp_path, mode), home=tmp_path)
    assert raised.value.hint == f"chmod 600 '{tmp_path / 'my keys'}'"


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644])
def test_file_that_others_may_read_is_used_and_named_with_the_chmod(tmp_path: Path, mode: int) -> None:
    """Where its keys are what is used."""
    env = file_of_mode(tmp_path, mode)
    warning = find_credentials(env=env, home=tmp_path).warning
    assert warning.endswith(f"chmod 600 '{tmp_path / 'my keys'}'")
    assert find_credentials(env=env | SDK, home=tmp_path).warning == ""


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_nothing_is_said_of_a_file_of_ones_own(tmp_path: Path, mode: int) -> None:
    """Nobody else has any right to it."""
    assert find_credentials(env=file_of_mode(tmp_path, mode), home=tmp_path).warning == ""


def test_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not one of root's, who may write anything anyway: so keys come into a container."""
    env = file_of_mode(tmp_path, 0o600)
    path, fstat = tmp_path / "my keys", os.fstat
    owner = 0

    def of_another(fd: int) -> os.stat_result:
        values = list(fstat(fd))
        values[stat.ST_UID] = owner
        return os.stat_result(values)

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "fstat", of_another)
    assert find_credentials(env=env, home=tmp_path).source == KeyPair(ak="A", sk="hidden")
    owner = 1001
    with pytest.raises(CredentialsError, match=rf"{path} belongs to another user \(uid 1001\)"):
        find_credentials(env=env, home=tmp_path)


def test_keys_may_come_through_a_pipe(tmp_path: Path) -> None:
    """As `<(pass show keys)` gives them; a pipe has no rights that matter, and its content once for all."""
    os.mkfifo(tmp_path / "pipe", 0o666)
    env = {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(tmp_path / "pipe")}
    with ThreadPoolExecutor(1) as other:
        other.submit((tmp_path / "pipe").write_text, "[basic]\nak = A\nsk = S\n")
        found = find_credentials(env=env, home=tmp_path)
    assert find_credentials(env=env, home=tmp_path) == found
    assert (found.source, found.warning) == (KeyPair(ak="A", sk="S"), "")
