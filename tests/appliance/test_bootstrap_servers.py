"""Real servers for the tests are installed where that is possible, and never stop the set-up."""

from pathlib import Path

import pytest

from bootstrap import debian, servers

APT_GET = """#!/bin/sh
echo "apt-get $*" >> {place}/calls
case "$*" in *install*) {act};; esac
"""
APT_CACHE = '#!/bin/sh\ntest "$3" != toy-of-another-release\n'


class Machine:
    """A Debian on which one server is missing: its own apt, told what becomes of an install."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
        self.calls = place / "calls"
        self.toy = servers.Server(
            "Toy", files=(str(place / "toyd"),),
            packages=("toy", "toy-of-another-release"), units=(("toy", "toy.service"),),
        )  # fmt: skip
        monkeypatch.setattr(servers, "SERVERS", (self.toy,))
        monkeypatch.setattr(debian, "become_root", lambda: ["env"])
        programs = place / "bin"
        programs.mkdir()
        apt_get = APT_GET.format(place=place, act=act.format(place=place))
        for name, text in (
            ("apt-get", apt_get), ("apt-cache", APT_CACHE), ("dpkg-query", "#!/bin/sh\nexit 1\n"),
        ):  # fmt: skip
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")


def test_installs_the_packages_that_this_release_has(tmp_path, monkeypatch, capsys) -> None:
    machine = Machine(tmp_path, monkeypatch, act="touch {place}/toyd")
    assert "make test" in servers.why_not("Toy")
    servers.ensure_servers()
    update, install = machine.calls.read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install -y --no-install-recommends toy")
    assert servers.why_not("Toy") == ""
    assert "skipped" not in capsys.readouterr().out
    servers.ensure_servers()
    assert len(machine.calls.read_text().splitlines()) == 2


def test_a_server_that_can_not_be_installed_is_left_out(tmp_path, monkeypatch, capsys) -> None:
    machine = Machine(tmp_path, monkeypatch, act="exit 100")
    servers.ensure_servers()
    assert "tests with a real Toy are skipped" in capsys.readouterr().out
    machine.calls.unlink()
    monkeypatch.setattr(debian, "become_root", lambda: None)
    servers.ensure_servers()
    assert "Debian packages: toy toy-of-another-release" in capsys.readouterr().out
    assert not machine.calls.exists()


def test_a_server_that_takes_root_is_for_root_only(tmp_path, monkeypatch, capsys) -> None:
    machine = Machine(tmp_path, monkeypatch, act="exit 100")
    toy = servers.Server("Toy", machine.toy.files, machine.toy.packages, (), needs_root=True)
    monkeypatch.setattr(servers, "SERVERS", (toy,))
    monkeypatch.setattr(servers.os, "geteuid", lambda: 1000)
    servers.ensure_servers()
    assert not machine.calls.exists()
    assert "as root" in servers.why_not("Toy")
